// node bin/coverage.mjs REPORT.json OVERALL MONEY PATTERN: fails where the tests reach too few lines.
import { readFileSync } from "node:fs";
import { relative } from "node:path";

const [report, overall, money, pattern] = process.argv.slice(2);
const { files, totals } = JSON.parse(readFileSync(report, "utf8")).data[0];
const matters = new RegExp(pattern);
const faults = [];

console.log(`overall: ${totals.lines.percent.toFixed(2)} % of lines (at least ${overall})`);
if (totals.lines.percent < Number(overall)) faults.push("overall");

let [count, covered] = [0, 0];
for (const { filename, summary } of files) {
  const path = relative(process.cwd(), filename);
  if (!matters.test(path)) continue;
  count += summary.lines.count;
  covered += summary.lines.covered;
  console.log(`  ${path}: ${summary.lines.percent.toFixed(2)} %`);
}
const share = count === 0 ? 0 : (100 * covered) / count;
console.log(`money and the life of a booking: ${share.toFixed(2)} % of lines (at least ${money})`);
if (share < Number(money)) faults.push("money and the life of a booking");

if (faults.length > 0) {
  console.error(`too little is tested: ${faults.join(", ")}`);
  process.exit(1);
}
