// node bin/coverage.mjs REPORT.json OVERALL MONEY PATTERN: fails where the tests reach too few lines.
import { readFileSync } from "node:fs";
import { relative } from "node:path";

const [report, overall, money, pattern] = process.argv.slice(2);
const { files, totals } = JSON.parse(readFileSync(report, "utf8")).data[0];
const matters = new RegExp(pattern);
const faults = [];

console.log(`overall: ${totals.lines.percent.toFixed(2)} % of lines (at least ${overall})`);
if (totals.lines.percent < Number(overall)) faults.push("overall");

let found = 0;
for (const { filename, summary } of files) {
  const path = relative(process.cwd(), filename);
  if (!matters.test(path)) continue;
  found += 1;
  console.log(`${path}: ${summary.lines.percent.toFixed(2)} % of lines (at least ${money})`);
  if (summary.lines.percent < Number(money)) faults.push(path);
}
if (found === 0) faults.push(`nothing matches ${pattern}`);

if (faults.length > 0) {
  console.error(`too little is tested: ${faults.join(", ")}`);
  process.exit(1);
}
