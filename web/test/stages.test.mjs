// The program that runs the stages of `make test`, with a Makefile of its own.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

/** @typedef {import("node:test").TestContext} Test */

const CI = join(import.meta.dirname, "../../.ci");

/** Runs the stages of a Makefile in a directory with files, and returns the status and what it printed.
 * @param {Test} t @param {Record<string, string>} files @param {string[]} stages */
function run(t, files, ...stages) {
	const dir = mkdtempSync(join(tmpdir(), "livemap-stages-"));
	t.after(() => rmSync(dir, { recursive: true }));
	mkdirSync(join(dir, "bin/results"), { recursive: true });
	for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
	// As from a shell: neither make nor `node --test` is above it.
	const { MAKEFLAGS, MFLAGS, MAKELEVEL, NODE_TEST_CONTEXT, LIVEMAP_RESULTS, ...env } = process.env;
	const { status, stdout } = spawnSync(process.execPath, [join(CI, "stages.mjs"), ...stages], {
		cwd: dir,
		env,
		encoding: "utf8",
	});
	return { status, lines: stdout.trimEnd().split("\n") };
}

/** The lines below a title. @param {string[]} lines @param {string} title */
function below(lines, title) {
	const from = lines.indexOf(title) + 1;
	assert.notEqual(from, 0, `${title} stands in\n${lines.join("\n")}`);
	return lines.slice(from, lines.indexOf("", from)).map((line) => line.trim());
}

const GO = [
	{ Action: "pass", Package: "livemap/geo", Test: "TestBox/inside" },
	{ Action: "pass", Package: "livemap/geo", Test: "TestBox" },
	{ Action: "output", Package: "livemap/geo", Test: "TestSkipped", Output: "=== RUN   TestSkipped\n" },
	{ Action: "output", Package: "livemap/geo", Test: "TestSkipped", Output: "    x_test.go:7: no curl: y\n" },
	{ Action: "output", Package: "livemap/geo", Test: "TestSkipped", Output: "--- SKIP: TestSkipped (0s)\n" },
	{ Action: "skip", Package: "livemap/geo", Test: "TestSkipped" },
	{ Action: "skip", Package: "livemap/geo", Test: "FuzzBox/seed#1" },
	{ Action: "skip", Package: "livemap/geo", Test: "FuzzBox/seed#2" },
	{ Action: "pass", Package: "livemap/geo" },
	{ Action: "skip", Package: "livemap/deploy" },
];

const GO_RED = [
	{ Action: "fail", Package: "livemap/api", Test: "TestRead/at_once" },
	{ Action: "fail", Package: "livemap/api", Test: "TestRead" },
	{ Action: "fail", Package: "livemap/api" },
	{ Action: "fail", Package: "livemap/web" }, // which does not compile
];

/** @param {object[]} events */
const json = (events) => events.map((event) => `${JSON.stringify(event)}\n`).join("");

test("all stages run, and the last line counts their tests", (t) => {
	const { status, lines } = run(
		t,
		{
			Makefile: "first second:\n\techo this is $@\ngo:\n\tcp go.json bin/results/\n",
			"go.json": json(GO),
		},
		"first",
		"go",
		"second",
	);
	assert.equal(status, 0);
	assert.ok(lines.includes("this is first") && lines.includes("this is second"));
	assert.deepEqual(below(lines, "skipped:"), [
		"geo TestSkipped: no curl: y",
		"geo FuzzBox: no reason given",
	]);
	assert.equal(lines.at(-1), "4 passed, 0 failed");
	assert.ok(!lines.includes("failed:"));
});

test("a red stage hides none of the later ones", (t) => {
	const { status, lines } = run(
		t,
		{
			Makefile: `red: one two\none:\n\tfalse\ntwo last:\n\techo this is $@\n
go:\n\tcp go.json bin/results/; exit 1\n`,
			"go.json": json(GO_RED),
		},
		"red",
		"missing",
		"go",
		"last",
	);
	assert.equal(status, 1);
	assert.ok(lines.includes("this is two"), "of a red stage too");
	assert.ok(lines.includes("this is last"));
	assert.deepEqual(below(lines, "failed:"), ["make red", "make missing", "api TestRead/at_once", "web"]);
	assert.equal(lines.at(-1), "1 passed, 4 failed");
	assert.deepEqual(
		lines.slice(-6, -2).map((line) => line.split(/ +/).slice(0, 2).join(" ")),
		["RED red", "RED missing", "RED go", "ok last"],
	);
});

test("results of an earlier run are not those of this one", (t) => {
	const { status, lines } = run(
		t,
		{ Makefile: "go:\n\tfalse\n", "bin/results/go.json": json(GO) },
		"go",
	);
	assert.equal(status, 1);
	assert.equal(lines.at(-1), "0 passed, 1 failed");
});

test("tests of the page are counted as those of Go are", (t) => {
	const reporter = join(CI, "reporter.mjs");
	const { status, lines } = run(
		t,
		{
			Makefile: `page:\n\tnode --test --test-reporter=${reporter} \\
				--test-reporter-destination=bin/results/$@.json x.test.mjs\n`,
			"x.test.mjs": `
				import { describe, test } from "node:test";
				describe("suite", () => {
					test("passes", () => {});
					test("fails", () => { throw new Error("x"); });
					test("is skipped", (t) => t.skip("no streets"));
					test("is not told why", { skip: true }, () => {});
				});
			`,
		},
		"page",
	);
	assert.equal(status, 1);
	assert.deepEqual(below(lines, "failed:"), ["x.test.mjs fails"]);
	assert.deepEqual(below(lines, "skipped:"), [
		"x.test.mjs is skipped: no streets",
		"x.test.mjs is not told why: no reason given",
	]);
	assert.equal(lines.at(-1), "1 passed, 1 failed");
});
