// node bundle.mjs SCRIPT BUNDLE: a script and what it imports from node_modules, as one module for a browser.

import { buildSync } from "esbuild";

const [script, bundle] = process.argv.slice(2);
buildSync({ entryPoints: [script], bundle: true, format: "esm", outfile: bundle, logLevel: "error" });
