/**
 * The page's memory after ten minutes of the demo. By default the same number of positions arrives in a
 * fraction of that time; SOAK=600 takes the ten minutes.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { browser, drawn, LIMIT, live, PROGRAM, rest } from "../hub.mjs";

const soak = Number(process.env.SOAK ?? 0); // seconds
const seconds = soak || 10;
const rate = soak ? 1 : 20;

/**
 * Starts the demo on free ports.
 * @returns {Promise<{url: string, stop: () => Promise<number | null>}>}
 */
async function demo() {
	const free = [
		"--listen",
		"localhost:0",
		"--proxy-listen",
		"localhost:0",
		"--publish-listen",
		"127.0.0.1:0",
	];
	const child = spawn(PROGRAM, ["demo", ...free, "--rate", String(rate)], {
		stdio: ["ignore", "pipe", "ignore"],
	});
	const ended = new Promise((resolve) => child.once("exit", resolve));
	for await (const line of createInterface({ input: child.stdout })) {
		const open = /Open +(http:\S+)/.exec(line);
		if (open) {
			child.stdout.resume();
			return { url: open[1], stop: () => (child.kill("SIGINT"), ended) };
		}
	}
	throw new Error("the demo has ended without an address");
}

test(
	"ten minutes of the demo leave the page's memory level",
	{ timeout: 2 * seconds * 1000 + 20 * LIMIT },
	async (t) => {
		const { url, stop } = await demo();
		const own = await browser();
		try {
			const page = await own.newPage({ viewport: { width: 1280, height: 800 } });
			page.setDefaultTimeout(3 * LIMIT); // the demo's positions keep a busy machine busier
			await page.goto(`${url}#vehicle=BUS-001`);
			await live(page);
			await drawn(page, "BUS-001");
			const session = await page.context().newCDPSession(page);
			await session.send("Performance.enable");
			const measure = async () => {
				await session.send("HeapProfiler.collectGarbage");
				const { metrics } = await session.send("Performance.getMetrics");
				const value = (/** @type {string} */ name) =>
					metrics.find((m) => m.name === name)?.value ?? NaN;
				return {
					heap: value("JSHeapUsedSize") / 2 ** 20,
					nodes: value("Nodes"),
					listeners: value("JSEventListeners"),
				};
			};
			await rest(page);
			await sleep(5000); // caches fill
			const before = await measure();
			const began = performance.now();
			const trail = await page.evaluate(() => window.livemap.trail());
			for (let i = 0; i < 5; i++) {
				await sleep((seconds * 1000) / 5);
				const { heap, nodes } = await measure();
				const elapsed = Math.round((performance.now() - began) / 1000);
				t.diagnostic(`${elapsed} s: ${heap.toFixed(2)} MiB, ${nodes} nodes`);
			}
			let after = await measure();
			const level = () =>
				after.heap < before.heap * 1.1 + 1 &&
				after.nodes < before.nodes * 1.1 + 100 &&
				after.listeners <= before.listeners + 20;
			for (const limit = Date.now() + LIMIT; !level() && Date.now() < limit;) {
				await sleep(1000); // on a busy machine, pending work holds some memory
				after = await measure();
			}
			t.diagnostic(`before ${JSON.stringify(before)}, after ${JSON.stringify(after)}`);
			assert.ok((await page.evaluate(() => window.livemap.trail())) > trail, "positions have come");
			assert.ok(level(), "the page holds more than before");
			assert.equal(await page.evaluate(() => window.livemap.status().phase), "live");
		} finally {
			await own.close();
			assert.equal(await stop(), 0);
		}
	},
);
