/**
 * fluid.mjs measures how smoothly the page draws 10,000 vehicles at one update a second:
 * node web/test/fluid.mjs [vehicles] [seconds]. It is not a test. Its figures hold for this machine, and are
 * a lower bound without a GPU.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Hub, live, now, open, rest } from "./hub.mjs";

const [vehicles = 10_000, seconds = 10] = process.argv.slice(2).map(Number);
const hub = await Hub.start();
const browser = await hub.browser();
let running = true;

/** Publishes a tenth of the fleet every tenth of a second. */
async function publish() {
	for (let tick = 0; running; tick++) {
		const t = now();
		const lines = [];
		for (let i = tick % 10; i < vehicles; i += 10) {
			const angle = i * 2.399963 + t * 0.0001;
			const radius = 0.6 * Math.sqrt(i / vehicles);
			lines.push(
				JSON.stringify({
					vehicle_id: `CAR-${i}`,
					lon: 13.4 + radius * 1.6 * Math.cos(angle),
					lat: 52.5 + radius * Math.sin(angle),
					timestamp: t,
					speed_kmh: 50,
					heading: (i * 7) % 360,
				}),
			);
		}
		const due = performance.now() + 100;
		await fetch(`${hub.internal}/publish`, {
			method: "POST",
			headers: { "Content-Type": "application/x-ndjson" },
			body: lines.join("\n"),
		});
		await sleep(Math.max(0, due - performance.now()));
	}
}

const publishing = publish();
console.log(`${vehicles} vehicles at 1 Hz, ${seconds} s each, 1280 x 800`);
for (const zoom of [6, 9, 12, 15]) {
	const { page } = await open(hub, browser, `#map=${zoom}/52.5/13.4`);
	await rest(page);
	await live(page);
	await sleep(3000);
	const figures = await page.evaluate(async (ms) => {
		let long = 0;
		new PerformanceObserver((list) => list.getEntries().forEach((e) => (long += e.duration))).observe({
			type: "longtask",
		});
		const frames = window.livemap.frames();
		/** @type {number[]} */
		const gaps = [];
		const end = performance.now() + ms;
		for (let last = performance.now(); last < end;) {
			const t = await new Promise((resolve) => requestAnimationFrame(resolve));
			gaps.push(t - last);
			last = t;
		}
		gaps.sort((a, b) => a - b);
		return {
			drawn: window.livemap.frames() - frames,
			p50: gaps[gaps.length >> 1],
			p95: gaps[Math.floor(gaps.length * 0.95)],
			worst: gaps[gaps.length - 1],
			long,
			held: window.livemap.vehicles().length,
		};
	}, seconds * 1000);
	const age = await page.evaluate(() =>
		Math.max(...window.livemap.vehicles().map((v) => Date.now() / 1000 - v.properties.timestamp)),
	);
	console.log(
		[
			`zoom ${zoom}: ${figures.held} vehicles held`,
			`markers drawn ${(figures.drawn / seconds).toFixed(1)} times a second`,
			`frame gap p50 ${figures.p50.toFixed(0)} p95 ${figures.p95.toFixed(0)}`,
			`worst ${figures.worst.toFixed(0)} ms`,
			`long tasks ${((figures.long / seconds / 1000) * 100).toFixed(0)} % of the time`,
			`oldest position ${age.toFixed(1)} s`,
		].join(", "),
	);
	await page.context().close();
}
running = false;
await publishing;
await browser.close();
await hub.end();
