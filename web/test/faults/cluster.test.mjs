/**
 * The page before three hubs of one journal behind Caddy, as `make cluster-demo` runs them, while hubs die.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { browser, LIMIT, PROGRAM, ROOT } from "../hub.mjs";

const HUB_PORT = 24803;
/** How often each hub is killed, and two of them at a time. */
const ROUNDS = Number(process.env.LIVEMAP_ROUNDS ?? 1);

/** Demo is a running deploy/cluster-demo.sh. */
class Demo {
	said = "";
	/** @type {import("node:child_process").ChildProcess} */ #process;

	/** @param {string} temporary folder */
	constructor(temporary) {
		const caddy = process.env.LIVEMAP_CADDY;
		assert.ok(caddy, "LIVEMAP_CADDY names no Caddy to test with; make faults builds one");
		this.#process = spawn(join(ROOT, "deploy/cluster-demo.sh"), [PROGRAM, caddy], {
			env: {
				...process.env,
				TMPDIR: temporary,
				PORT: "24843",
				HTTP_PORT: "24880",
				HUB_PORT: `${HUB_PORT}`,
				PAUSE: "4",
				VEHICLES: "80",
			},
			stdio: ["ignore", "pipe", "pipe"],
		});
		this.#process.stdout?.on("data", (text) => (this.said += text));
		this.#process.stderr?.on("data", (text) => (this.said += text));
	}

	/** Waits until the demo has said something. @param {RegExp} what @returns {Promise<RegExpMatchArray>} */
	async says(what) {
		for (const end = Date.now() + 2 * LIMIT; ; await sleep(50)) {
			const match = this.said.match(what);
			if (match) {
				return match;
			}
			assert.equal(this.#process.exitCode, null, this.said);
			assert.ok(Date.now() < end, `waited in vain for ${what}: ${this.said}`);
		}
	}

	/** The process of a hub now. @param {number} n from 1 */
	pid(n) {
		return Number([...this.said.matchAll(new RegExp(`hub-${n} is process (\\d+)`, "g"))].at(-1)?.[1]);
	}

	/** Kills hubs. @param {...number} hubs from 1 @returns {() => Promise<void>} waits until all run again */
	kill(...hubs) {
		const were = hubs.map((n) => this.pid(n));
		for (const pid of were) {
			process.kill(pid, "SIGKILL");
		}
		return async () => {
			const gone = () => hubs.some((n, i) => this.pid(n) === were[i]);
			for (const end = Date.now() + 2 * LIMIT; gone(); await sleep(50)) {
				assert.ok(Date.now() < end, this.said);
			}
			for (const n of hubs) {
				await ready(n);
			}
		};
	}

	async end() {
		const ended = new Promise((resolve) => this.#process.once("exit", resolve));
		this.#process.kill("SIGTERM");
		await ended;
	}
}

/** Waits until a hub is ready. @param {number} n from 1 */
async function ready(n) {
	for (const end = Date.now() + 2 * LIMIT; ; await sleep(100)) {
		const answer = await fetch(`http://127.0.0.${n}:${HUB_PORT + 1}/readyz`).catch(() => null);
		if (answer?.ok) {
			return;
		}
		assert.ok(Date.now() < end, `hub-${n} is not ready`);
	}
}

/** What a hub holds, times by vehicle. @param {number} n from 1 */
async function truth(n) {
	const { features } = await (await fetch(`http://127.0.0.${n}:${HUB_PORT}/snapshot`)).json();
	return times(features);
}

const times = (/** @type {any[]} */ features) =>
	Object.fromEntries(features.map((f) => [f.id, f.properties.timestamp]).sort());

const name = "hubs are killed at will: nothing older after newer, no silence, right at the end";
test(name, { timeout: 15 * LIMIT * ROUNDS }, async (t) => {
	const temporary = await mkdtemp(join(tmpdir(), "livemap-"));
	const demo = new Demo(temporary);
	try {
		const [, address] = await demo.says(/Open (https:\S+)\/ for the map/);
		const [, logs] = await demo.says(/Logs are in (\S+)\./);
		const chromium = await browser("plain");
		try {
			const page = await (await chromium.newContext({ ignoreHTTPSErrors: true })).newPage();
			page.setDefaultTimeout(2 * LIMIT);
			await page.goto(`${address}/`);
			await page.waitForFunction(() => window.livemap?.status().phase === "live");
			await page.evaluate(() => {
				const seen = {
					newest: /** @type {Record<string, number>} */ ({}),
					wrong: /** @type {string[]} */ ([]),
					phases: [""],
				};
				Object.assign(window, { seen });
				setInterval(() => {
					for (const { id, properties } of window.livemap.vehicles()) {
						if (properties.timestamp < (seen.newest[id] ?? 0)) {
							seen.wrong.push(`${id}: ${properties.timestamp} after ${seen.newest[id]}`);
						}
						seen.newest[id] = properties.timestamp;
					}
					const { phase } = window.livemap.status();
					if (phase !== seen.phases.at(-1)) {
						seen.phases.push(phase);
					}
				}, 20);
			});
			/** Waits until the page is live and moves. */
			const follows = async () => {
				const before = Object.values(times(await page.evaluate(() => window.livemap.vehicles())));
				await page.waitForFunction(
					(newest) =>
						window.livemap.status().phase === "live" &&
						window.livemap.vehicles().some((v) => v.properties.timestamp > newest),
					Math.max(...before),
				);
			};
			await follows();
			for (let round = 0; round < ROUNDS; round++) {
				for (const n of [2, 1, 3]) {
					const back = demo.kill(n);
					await follows();
					await back();
				}
				const back = demo.kill(1, 3);
				await page.waitForFunction(() => window.livemap.status().phase === "frozen");
				assert.match(await page.innerText("body"), /Not live|what you see is from/);
				await back();
				await follows();
			}

			process.kill(Number(await readFile(join(logs, "simulate.pid"), "utf8")), "SIGSTOP");
			for (let n = 1; n <= 3; n++) {
				for (const end = Date.now() + LIMIT; ; await sleep(200)) {
					const shown = times(await page.evaluate(() => window.livemap.vehicles()));
					const is = await truth(n);
					if (JSON.stringify(shown) === JSON.stringify(is)) {
						assert.ok(Object.keys(is).length > 50);
						break;
					}
					if (Date.now() > end) {
						assert.deepEqual(shown, is, `the page and hub-${n}`);
					}
				}
			}
			const seen = await page.evaluate(() => /** @type {any} */ (window).seen);
			t.diagnostic(`the page was ${seen.phases.slice(1).join(", ")}`);
			assert.deepEqual(seen.wrong, []);
		} finally {
			await chromium.close();
		}
	} finally {
		await demo.end();
		await rm(temporary, { recursive: true });
	}
});
