/**
 * pixel.mjs measures how long a position takes from its publisher to the screen:
 * node web/test/pixel.mjs [probes]. It is not a test. Its figures hold for this machine, and are an upper
 * bound without a GPU.
 *
 * A probe is a vehicle that is new, at a place of the map where nothing is. Its time runs from the begin of
 * its POST to the frame after the one that drew it. Beside the page, a client asks for the state once a
 * second, as pages without a stream do, and is done when the state has the probe.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Hub, live, now, open, rest } from "./hub.mjs";

const [probes = 100] = process.argv.slice(2).map(Number);
const PERIOD = 1000; // of polling and of the fleet, in ms
const [LON, LAT] = [13.4, 52.5];

const hub = await Hub.start();
const browser = await hub.browser("webgl");

/** Milliseconds since 1970, finer than Date. */
const clock = () => performance.timeOrigin + performance.now();

/** @param {object[]} positions */
async function publish(positions) {
	const answer = await fetch(`${hub.internal}/publish`, {
		method: "POST",
		headers: { "Content-Type": "application/x-ndjson" },
		body: positions.map((p) => JSON.stringify(p)).join("\n"),
	});
	if (!answer.ok) throw new Error(await answer.text());
}

/** The western half of the view in motion, each vehicle once a second. @param {number} vehicles */
function drive(vehicles) {
	let running = vehicles > 0;
	const ended = (async () => {
		for (let tick = 0; running; tick++) {
			const due = performance.now() + PERIOD / 10;
			const positions = [];
			for (let i = tick % 10; i < vehicles; i += 10) {
				positions.push({
					vehicle_id: `CAR-${i}`,
					lon: LON - 0.038 + 0.035 * ((i * 0.618 + tick * 0.00005) % 1),
					lat: LAT - 0.015 + 0.03 * ((i * 0.414) % 1),
					timestamp: now(),
					speed_kmh: 50,
					heading: 90,
				});
			}
			await publish(positions);
			await sleep(Math.max(0, due - performance.now()));
		}
	})();
	return () => {
		running = false;
		return ended;
	};
}

/**
 * When the pixel at a place of the markers' canvas is painted.
 * @param {import("playwright-core").Page} page
 */
function painted(page, /** @type {[number, number]} */ lonLat) {
	return page.evaluate((lonLat) => {
		const canvas = /** @type {HTMLCanvasElement} */ (document.querySelector("canvas.markers"));
		const ctx = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
		const at = window.livemap.project(lonLat);
		const ratio = window.devicePixelRatio;
		return new Promise((resolve) => {
			const look = () => {
				if (ctx.getImageData(Math.round(at.x * ratio), Math.round(at.y * ratio), 1, 1).data[3] === 0) {
					return requestAnimationFrame(look);
				}
				return requestAnimationFrame(() => resolve(performance.timeOrigin + performance.now()));
			};
			requestAnimationFrame(look);
		});
	}, lonLat);
}

/** When a client that asks once a second has the vehicle. @param {string} id @param {AbortSignal} signal */
async function polled(id, signal) {
	await sleep(Math.random() * PERIOD);
	for (; !signal.aborted; await sleep(PERIOD)) {
		if ((await hub.truth()).has(id)) return clock();
	}
	return NaN;
}

/** @param {number[]} times */
function words(times) {
	times.sort((a, b) => a - b);
	const at = (/** @type {number} */ share) =>
		times[Math.min(times.length - 1, Math.floor(times.length * share))].toFixed(0);
	return `p50 ${at(0.5)}, p95 ${at(0.95)}, worst ${at(1)} ms`;
}

for (const vehicles of [0, 1000]) {
	await hub.clear();
	const stop = drive(vehicles);
	const { page } = await open(hub, browser, `#map=13/${LAT}/${LON}`);
	await rest(page);
	await live(page);
	await sleep(3000);
	const drawn = [];
	const asked = [];
	for (let i = 0; i < probes; i++) {
		const id = `PROBE-${i}`;
		/** @type {[number, number]} */
		const lonLat = [LON + 0.01 + 0.025 * ((i * 0.618) % 1), LAT - 0.01 + 0.02 * ((i * 0.414) % 1)];
		const seen = painted(page, lonLat);
		await sleep(100 + Math.random() * 200); // the page looks by then
		const begun = clock();
		const inState = polled(id, AbortSignal.timeout(10 * PERIOD));
		await publish([{ vehicle_id: id, lon: lonLat[0], lat: lonLat[1], timestamp: now(), speed_kmh: 0 }]);
		drawn.push(/** @type {number} */ (await seen) - begun);
		asked.push((await inState) - begun);
		await hub.remove(id);
		await page.waitForFunction((id) => window.livemap.drawn(id) === null, id);
	}
	console.log(`${vehicles} vehicles in view at 1 Hz, ${probes} probes, publish to pixel: ${words(drawn)}`);
	console.log(`the same by asking for the state once a second: ${words(asked)}`);
	await page.context().close();
	await stop();
}
await browser.close();
await hub.end();
