"""How a report looks and what moves in it: the style sheet and the script that its page carries inside."""

STYLE = """
:root { color-scheme: light dark; --faint: #8885; --accent: #2a78b5; }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 0 auto; padding: 1rem;
  background: #fff; color: #222; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .5rem 0; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
p, ul { margin: .4rem 0; } ul { padding-left: 1.2rem; }
figure { margin: 0; } figcaption, .hint { font-size: .875rem; opacity: .85; }
img { display: block; max-width: 100%; height: auto; }
.compare { max-width: max-content; }
.pair { position: relative; overflow: hidden; touch-action: pan-y; cursor: ew-resize; }
.pair .before { position: absolute; top: 0; left: 0; clip-path: inset(0 calc(100% - var(--cut, 50%)) 0 0); }
.pair::after { content: ""; position: absolute; top: 0; bottom: 0; left: var(--cut, 50%); width: 2px;
  margin-left: -1px; background: #fff; box-shadow: 0 0 3px #000; }
input[type=range] { display: block; width: 100%; height: 2.2rem; margin: 0; accent-color: var(--accent); }
.maps { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); gap: 1rem; }
.ramp { height: .75rem; margin-top: .3rem; border: 1px solid var(--faint); }
.ends { display: flex; justify-content: space-between; gap: 1rem; font-size: .875rem; }
.viridis { background: linear-gradient(90deg, #440154, #472c7a, #3b518b, #2c718e, #21908d, #27ad81, #5cc863, #aadc32,
  #fde725); }
.grays { background: linear-gradient(90deg, #000, #fff); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--faint); }
.wide td, .wide th { white-space: nowrap; overflow-wrap: normal; }
.wide td.name { white-space: normal; min-width: 8rem; overflow-wrap: anywhere; }
.wide td.text { white-space: normal; min-width: 14rem; }
td.number, th.number { text-align: right; }
.bar { display: inline-block; width: 5rem; height: .6rem; margin-left: .5rem; background: var(--faint); }
.bar i { display: block; height: 100%; background: var(--accent); }
tr.unused { opacity: .6; }
details td:nth-child(2):not(:last-child) { white-space: nowrap; }
details { margin: .6rem 0; } summary { cursor: pointer; font-weight: 600; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
@media (prefers-color-scheme: dark) { body { background: #1b1b1b; color: #ddd; } :root { --accent: #6db3e8; } }
"""

#: Where scripts don't run there is nothing to slide: the pictures stand one above the other.
WITHOUT_SCRIPT = (
    ".pair .before { position: static; clip-path: none; } .pair::after, input[type=range] { display: none; }"
)

SCRIPT = """
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
"""
