// Bundles the page into the package: src/allfocus/studio/assets.
import { build } from "esbuild";
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";

const target = new URL("../src/allfocus/studio/assets/", import.meta.url);
await rm(target, { recursive: true, force: true });
await mkdir(target, { recursive: true });
await build({
  entryPoints: { page: "src/main.js" },
  outdir: target.pathname,
  bundle: true,
  splitting: true, // what only the height map needs is loaded with it
  chunkNames: "part-[hash]",
  format: "esm",
  minify: true,
  target: "es2022",
  legalComments: "none",
  logLevel: "warning",
});
for (const name of ["index.html", "style.css"]) {
  await copyFile(`src/${name}`, new URL(name, target));
}
const licences = await Promise.all(
  ["openseadragon/LICENSE.txt", "three/LICENSE"].map(async (file) => {
    const text = await readFile(`node_modules/${file}`, "utf8");
    return `${file.split("/")[0]}\n\n${text}`;
  }),
);
await writeFile(new URL("licences.txt", target), licences.join("\n\n"));
