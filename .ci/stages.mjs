// Runs targets of the Makefile one after the other, also after one that fails. At the end it lists the tests
// that were skipped, with their reasons, and those that failed. The last line counts all.
//
//	node .ci/stages.mjs [TARGET …]
//
// The exit status is 1 where a target failed. A target that runs tests leaves their results in
// bin/results/TARGET.json, in the form of `go test -json`; any other counts as one test.

import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

const STAGES = ["tools", "check", "fuzz", "page-tests", "tests-norace", "tests-race"];
const RESULTS = process.env.LIVEMAP_RESULTS ?? "bin/results";

/** @typedef {{passed: number, failed: string[], skipped: string[]}} Results */
/** @typedef {{target: string, red: boolean, seconds: number} & Results} Stage */

/** Runs a target. @param {string} target @returns {Stage} */
function run(target) {
	const file = join(RESULTS, `${target}.json`);
	rmSync(file, { force: true });
	console.log(`\n== make ${target}`);
	const began = performance.now();
	const { status, error } = spawnSync("make", ["--no-print-directory", "--keep-going", target], {
		stdio: "inherit",
	});
	if (error) console.error(`make ${target}: ${error.message}`);
	const red = status !== 0;
	const seconds = Math.round((performance.now() - began) / 1000);
	const results = read(file);
	if (red && results.failed.length === 0) results.failed.push(`make ${target}`);
	if (!red && results.passed === 0) results.passed = 1;
	return { target, red, seconds, ...results };
}

/** Reads the results of tests.
 * @param {string} file @returns {Results} */
function read(file) {
	/** @type {Results} */
	const results = { passed: 0, failed: [], skipped: [] };
	/** @type {Map<string, string>} */
	const outputs = new Map();
	for (const line of lines(file)) {
		const { Action, Package, Test, Output, Reason } = JSON.parse(line);
		if (!Package || (!Test && Action !== "fail")) continue; // packages pass and are skipped too
		// Each input of a fuzz target is a test.
		const name = [Package.replace(/^livemap\//, ""), Test?.replace(/^(Fuzz\w+)\/.*/, "$1")].join(" ").trim();
		const output = outputs.get(name) ?? "";
		if (Action === "output") outputs.set(name, output + Output);
		if (Action === "pass") results.passed++;
		if (Action === "fail") results.failed.push(name);
		if (Action === "skip") results.skipped.push(`${name}: ${Reason ?? reason(output)}`);
		if (Action !== "output") outputs.delete(name);
	}
	// In Go a test also fails because of one in it, and a package because of its tests.
	const within = (/** @type {string} */ one, /** @type {string} */ name) =>
		one.startsWith(`${name}/`) || one.startsWith(`${name} `);
	results.failed = results.failed.filter((name) => !results.failed.some((one) => within(one, name)));
	return results;
}

/** The lines of a file, none where there is no file. @param {string} file */
function lines(file) {
	try {
		return readFileSync(file, "utf8").split("\n").filter(Boolean);
	} catch (error) {
		if (/** @type {NodeJS.ErrnoException} */ (error).code === "ENOENT") return [];
		throw error;
	}
}

/** What a test of Go said last, without the place in the source. @param {string} output */
function reason(output) {
	const said = [...output.matchAll(/^ +\S+\.go:\d+: (.*)$/gm)];
	return said.at(-1)?.[1] ?? "no reason given";
}

/** Prints what a list holds, each line once, under a title. @param {string} title @param {string[]} list */
function print(title, list) {
	if (list.length === 0) return;
	console.log(`\n${title}:`);
	for (const line of new Set(list)) console.log(`  ${line}`);
}

mkdirSync(RESULTS, { recursive: true });
const targets = process.argv.length > 2 ? process.argv.slice(2) : STAGES;
const stages = targets.map(run);
print("skipped", stages.flatMap((stage) => stage.skipped));
print("failed", stages.flatMap((stage) => stage.failed));
console.log("");
for (const { target, red, seconds, passed, failed, skipped } of stages) {
	const counts = `${passed} passed, ${failed.length} failed, ${skipped.length} skipped`;
	console.log(`${red ? "RED" : "ok "} ${target.padEnd(14)} ${String(seconds).padStart(5)} s  ${counts}`);
}
const passed = stages.reduce((n, stage) => n + stage.passed, 0);
const failed = stages.reduce((n, stage) => n + stage.failed.length, 0);
console.log(`\n${passed} passed, ${failed} failed`);
process.exitCode = stages.some((stage) => stage.red) ? 1 : 0;
