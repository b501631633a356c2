/**
 * The page recovers from a hub that stops or dies, from answers that end an EventSource, from a sleeping tab,
 * and from far more positions than it can draw.
 */
import assert from "node:assert/strict";
import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, describe, test } from "node:test";
import { AUSTIN, drawn, Hub, LIMIT, live, now, open, pixel, STREETS } from "./hub.mjs";

/** @type {Hub} */
let hub;
/** @type {import("playwright-core").Browser} */
let browser;

before(async () => {
	hub = await Hub.start(["--heartbeat", "1s"]);
	browser = await hub.browser();
});

after(async () => {
	await browser?.close();
	await hub?.end();
});

/** The position of each vehicle. @param {Iterable<any>} features */
const places = (features) =>
	Object.fromEntries(
		[...features].map((f) => [f.id, [...f.geometry.coordinates, f.properties.timestamp].join()]).sort(),
	);

/** Waits until the page holds exactly what the hub does. @param {import("playwright-core").Page} page */
async function agrees(page) {
	const limit = Date.now() + LIMIT;
	for (;;) {
		const [truth, shown] = [
			places((await hub.truth()).values()),
			places(await page.evaluate(() => window.livemap.vehicles())),
		];
		if (JSON.stringify(truth) === JSON.stringify(shown)) {
			return truth;
		}
		if (Date.now() > limit) {
			assert.deepEqual(shown, truth);
		}
		await sleep(100);
	}
}

/** @param {import("playwright-core").Page} page @param {string} phase */
const phase = (page, phase) =>
	page.waitForFunction((phase) => window.livemap.status().phase === phase, phase);

/**
 * Waits until the middle of the map shows land, which is less blue than water.
 * @param {import("playwright-core").Page} page
 */
async function land(page) {
	const limit = Date.now() + LIMIT;
	for (;;) {
		const [red, , blue] = await pixel(page, { left: 470, top: 400 });
		if (blue <= red + 5) {
			return;
		}
		assert.ok(Date.now() < limit, "there is no land yet");
		await sleep(100);
	}
}

/** Milliseconds until the page tries again to load its map. */
const RETRY_INTERVAL = 15_000;
const SMALL = { viewport: { width: 940, height: 500 } };
const FLEET = [
	{ vehicle_id: "PARKED-1", lon: 13.4, lat: 52.52, speed_kmh: 0 },
	{ vehicle_id: "PARKED-2", lon: 13.41, lat: 52.53, speed_kmh: 0 },
	{ vehicle_id: "MOVING-1", lon: 13.42, lat: 52.51, speed_kmh: 30, heading: 10 },
];

describe("the page", { timeout: 30 * LIMIT }, () => {
	test("recovers by itself when the hub was stopped and started", async () => {
		await hub.publish(...FLEET);
		const { page } = await open(hub, browser, "#map=12/52.52/13.41");
		await agrees(page);
		await hub.stop();
		await phase(page, "waiting");
		assert.match(await page.locator("#connection").innerText(), /Reconnecting/);
		assert.ok(await drawn(page, "PARKED-1"), "what was known is still shown");
		await hub.run();
		await live(page);
		assert.equal(Object.keys(await agrees(page)).length, 3);
		assert.equal(await page.evaluate(() => window.livemap.status().state), "resumed");
		assert.equal(await page.evaluate(() => window.livemap.status().protocol), "h3");
		await hub.publish({ ...FLEET[2], lon: 13.43 });
		await agrees(page);
		await page.context().close();
	});

	test("freezes what is not proven live, mutes it, and says of when it is", async () => {
		const { page } = await open(hub, browser, "#map=15/52.52/13.4", {}, (page) =>
			page.addInitScript(() => {
				const { fetch } = window;
				window.fetch = async (...args) => {
					const answer = await fetch(...args);
					if (!answer.headers.get("Content-Type")?.startsWith("text/event-stream")) {
						return answer;
					}
					const body = answer.body?.pipeThrough(
						new TransformStream({
							start: (controller) => void Object.assign(window, { stream: controller }),
						}),
					);
					return new Response(body, answer);
				};
			}),
		);
		const tell = (/** @type {string} */ name, /** @type {object} */ data) =>
			page.evaluate(
				(event) => /** @type {any} */ (window).stream.enqueue(new TextEncoder().encode(event)),
				`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`,
			);
		const band = page.locator("#band");
		const mark = () => page.evaluate(() => window.livemap.drawn("MOVING-1"));
		/** Every sign of it. @param {string} [words] of the band */
		const frozen = async (words = "Not live: positions as of") => {
			await band.waitFor();
			assert.match(
				await band.innerText(),
				new RegExp(`^${words} \\d+:\\d\\d:\\d\\d\\s.*\\((now|\\d+ s ago)\\)$`),
			);
			assert.equal(await page.locator("body").getAttribute("data-live"), "false");
			const [red, , blue] = await pixel(page, await drawn(page, "MOVING-1"));
			assert.ok(Math.abs(red - blue) < 20, `the arrow is as bright as ever: ${red} ${blue}`);
			const { x, y } = await page.evaluate(() => window.livemap.project([13.4, 52.52]));
			const { left, top } = await drawn(page, "MOVING-1");
			assert.ok(Math.hypot(left - x, top - y) < 1, "at its last fix");
			const frames = await page.evaluate(() => window.livemap.frames());
			await page.waitForFunction((frames) => window.livemap.frames() > frames + 1, frames);
			assert.deepEqual(await drawn(page, "MOVING-1"), { left, top, state: "moving", guess: false });
			assert.match(await page.locator("#filter").innerText(), /Moving\s+1\s/);
		};
		const driving = { vehicle_id: "MOVING-1", lon: 13.4, lat: 52.52, speed_kmh: 40, heading: 90 };
		await hub.publish({ ...driving, timestamp: now() });
		await page.waitForFunction(() => window.livemap.drawn("MOVING-1")?.state === "moving");
		assert.ok(await band.isHidden());

		await tell("frozen", { since: now(), reason: "journal" });
		await frozen("The hub cannot reach its journal; what you see is from");
		assert.match(await page.locator("#connection").innerText(), /Not live.*cannot prove/s);
		await tell("live", { mode: "resumed", time: now() });
		await band.waitFor({ state: "hidden" });
		assert.equal(await page.locator("body").getAttribute("data-live"), "true");

		await hub.publish({ ...driving, timestamp: now() });
		await page.waitForFunction(() => {
			const { x } = window.livemap.project([13.4, 52.52]);
			return (window.livemap.drawn("MOVING-1")?.left ?? 0) > x + 2; // it is carried on
		});
		hub.pause();
		try {
			await frozen();
			await phase(page, "waiting");
			await frozen();
		} finally {
			hub.goOn();
		}
		await live(page);
		await band.waitFor({ state: "hidden" });
		assert.ok(await mark());
		await hub.remove("MOVING-1");
		await page.context().close();
	});

	test("recovers when the hub was killed, parked vehicles included", async () => {
		await hub.publish({ vehicle_id: "GHOST", lon: 13.4, lat: 52.5 });
		const { page } = await open(hub, browser, "#map=12/52.52/13.41&vehicle=PARKED-2");
		await hub.stop("SIGKILL");
		await hub.run();
		await hub.remove("GHOST");
		await hub.publish({ vehicle_id: "NEW", lon: 13.44, lat: 52.52, speed_kmh: 10 });
		await page.waitForFunction(() => window.livemap.vehicles().some((v) => v.id === "NEW"));
		const truth = await agrees(page);
		assert.deepEqual(Object.keys(truth), ["NEW", "PARKED-1", "PARKED-2"]);
		await drawn(page, "PARKED-2");
		await page.context().close();
	});

	test("recovers from answers that end an EventSource for good", async () => {
		const { page } = await open(hub, browser, "#map=12/52.52/13.41");
		for (const status of [502, 503, 404]) {
			await page
				.context()
				.route(/\/stream/, (route) =>
					route.fulfill({
						status,
						contentType: "application/problem+json",
						body: JSON.stringify({ detail: "not now" }),
					}),
				);
			await hub.stop();
			await hub.run();
			await page.waitForFunction(
				(status) => window.livemap.status().reason === `the hub answers ${status}: not now`,
				status,
			);
			await page.context().unroute(/\/stream/);
			await hub.publish({
				vehicle_id: "MOVING-1",
				lon: 13.42 + status / 1e5,
				lat: 52.51,
				speed_kmh: 30,
			});
			await live(page);
			await agrees(page);
		}
		await page.context().close();
	});

	for (const drawing of /** @type {const} */ (["plain", "webgl"])) {
		test(`loads its ${drawing} base map later if the hub was unreachable`, async () => {
			const other = await hub.browser(drawing);
			try {
				const { page } = await open(hub, other, "#map=5/50/10", SMALL, async (page) => {
					await page.clock.install();
					await page.context().route(/atlas-.*\.bin/, (route) => route.abort());
				});
				await page.locator("#notice").getByText("The base map could not be loaded").waitFor();
				await page.context().unroute(/atlas-.*\.bin/);
				await page.clock.fastForward(RETRY_INTERVAL);
				await page.locator("#notice").waitFor({ state: "hidden" });
				await land(page);
			} finally {
				await other.close();
			}
		});
	}

	test("reports a style that cannot be loaded, and shows the world", async () => {
		const own = await Hub.start(["--map-style", "https://127.0.0.1:1/style.json"]);
		const other = await own.browser("webgl");
		try {
			const { page } = await open(own, other, "#map=5/50/10", SMALL);
			await page
				.locator("#notice")
				.getByText("The map's style could not be loaded, so the world is shown")
				.waitFor();
			await land(page);
		} finally {
			await other.close();
			await own.end();
		}
	});

	test("loads its streets again when their file is complete", async () => {
		const dir = await mkdtemp(join(tmpdir(), "livemap-streets-"));
		const file = join(dir, "city.pmtiles");
		await copyFile(STREETS, file);
		const own = await Hub.start(["--map-pmtiles", file]);
		const other = await own.browser("webgl");
		try {
			await writeFile(file, "this is no archive");
			const { page } = await open(own, other, "#map=15/43.7696/11.2558", SMALL, (page) =>
				page.clock.install(),
			);
			await page
				.locator("#notice")
				.getByText("The street map /map.pmtiles could not be read")
				.waitFor();
			await copyFile(STREETS, file);
			await page.clock.fastForward(RETRY_INTERVAL);
			await page.locator("#notice").waitFor({ state: "hidden" });
			await page.locator(".maplibregl-ctrl-attrib").getByText("OpenStreetMap").waitFor();
		} finally {
			await other.close();
			await own.end();
			await rm(dir, { recursive: true });
		}
	});

	test("catches up when its tab was frozen", async () => {
		const { page } = await open(hub, browser, "#map=12/52.52/13.41");
		const session = await page.context().newCDPSession(page);
		await session.send("Page.setWebLifecycleState", { state: "frozen" });
		await hub.publish({
			vehicle_id: "MOVING-1",
			lon: 13.425,
			lat: 52.515,
			timestamp: now(),
			speed_kmh: 30,
		});
		await hub.remove("NEW");
		await session.send("Page.setWebLifecycleState", { state: "active" });
		await agrees(page);
		await page.context().close();
	});

	test("holds the hub's truth after a day of Austin's buses at high speed", async (t) => {
		const { page, complaints } = await open(hub, browser, "#map=4/40/-60");
		const began = performance.now();
		const replay = hub.command("replay", "--speed", "0", AUSTIN);
		assert.equal(await new Promise((resolve) => replay.once("exit", resolve)), 0);
		t.diagnostic(`replayed in ${Math.round(performance.now() - began)} ms`);
		const truth = await agrees(page);
		const elapsed = Math.round(performance.now() - began);
		t.diagnostic(`${Object.keys(truth).length} vehicles; the page agreed after ${elapsed} ms`);
		assert.ok(Object.keys(truth).length > 140);
		const held = await hub.truth();
		await page.evaluate(() => (location.hash = "#map=18/30.2672/-97.7431"));
		const [bus] = [...held.values()].filter((f) => f.geometry.coordinates[0] < -90);
		await page.evaluate(
			([lon, lat]) => (location.hash = `#map=18/${lat}/${lon}`),
			bus.geometry.coordinates,
		);
		const mark = await drawn(page, bus.id);
		const { x, y } = await page.evaluate((at) => window.livemap.project(at), bus.geometry.coordinates);
		assert.ok(Math.hypot(mark.left - x, mark.top - y) < 1, "drawn where it was last seen");
		assert.deepEqual(complaints, []);
		await page.context().close();
	});
});
