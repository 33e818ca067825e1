// The slider between the reference and the fused picture.
const pair = document.querySelector(".pair"), slider = document.querySelector("input[type=range]");
function cut() {
  pair.style.setProperty("--cut", slider.value + "%");
  slider.setAttribute("aria-valuetext", slider.value + " % before");
}
function follow(event) {
  if (event.type === "pointermove" && !event.buttons) return;
  const box = pair.getBoundingClientRect();
  slider.value = 100 * (event.clientX - box.left) / box.width;
  cut();
}
slider.addEventListener("input", cut);
pair.addEventListener("pointerdown", follow);
pair.addEventListener("pointermove", follow);
pair.addEventListener("dragstart", event => event.preventDefault());
cut();
