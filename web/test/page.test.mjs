/**
 * The page of a real hub in a real browser, over HTTP/3.
 */
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { browser as launch, drawn, Hub, LIMIT, live, now, open, pixel, rest } from "./hub.mjs";

const BLUE = [37, 99, 235]; // what moves
const BERLIN = { lon: 13.404954, lat: 52.520008 };

/** @type {Hub} */
let hub;
/** @type {import("playwright-core").Browser} */
let browser;
/** @type {import("./hub.mjs").Opened[]} */
let opened = [];

before(async () => {
	hub = await Hub.start(["--heartbeat", "1s"]);
	browser = await hub.browser();
});

after(async () => {
	await browser?.close();
	await hub?.end();
});

// Whatever a test did, no page complained, and the next one finds an empty hub.
afterEach(async () => {
	const pages = opened.splice(0);
	await Promise.all(pages.map(({ page }) => page.context().close()));
	for (const id of (await hub.truth()).keys()) {
		await hub.remove(id);
	}
	assert.deepEqual(pages.flatMap(({ complaints }) => complaints), []);
});

/** @param {string} [hash] @param {import("playwright-core").BrowserContextOptions} [options] */
async function show(hash, options) {
	const one = await open(hub, browser, hash, options);
	opened.push(one);
	return one.page;
}

/** @param {number[]} a @param {number[]} b */
function near(a, b) {
	return a.every((c, i) => Math.abs(c - b[i]) < 40);
}

/** @param {number} lon @param {number} lat @param {number} [zoom] */
const at = (lon, lat, zoom = 13) => `#map=${zoom}/${lat}/${lon}`;

/** Waits for the words of an element. @param {import("playwright-core").Page} page @param {string} selector @param {RegExp} words */
async function says(page, selector, words) {
	const limit = Date.now() + LIMIT;
	const element = page.locator(selector);
	while (!words.test((await element.innerText()).replace(/\s+/g, " "))) {
		if (Date.now() > limit) {
			assert.match((await element.innerText()).replace(/\s+/g, " "), words, selector);
		}
		await page.waitForTimeout(50);
	}
}

describe("the page", { timeout: 10 * LIMIT }, () => {
	test("comes over HTTP/3, as does its stream", async () => {
		const page = await show();
		const protocols = await page.evaluate(() => {
			const [navigation] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType("navigation"));
			const resources = /** @type {PerformanceResourceTiming[]} */ (performance.getEntriesByType("resource"));
			return [navigation, ...resources].filter((r) => r.nextHopProtocol !== "").map((r) => r.nextHopProtocol);
		});
		assert.ok(protocols.length > 10);
		assert.deepEqual([...new Set(protocols)], ["h3"]);
		assert.equal(await page.evaluate(() => window.livemap.status().protocol), "h3");
		await says(page, "#sign", /Live HTTP\/3 · (now|\d+ s ago)/);
		await says(page, "#nobody", /No vehicle has reported yet/);
	});

	test("shows a position that is published with curl, at the right pixel", async (t) => {
		const page = await show(at(BERLIN.lon, BERLIN.lat));
		const began = performance.now();
		await hub.publish({ vehicle_id: "TRUCK-042", ...BERLIN, speed_kmh: 4 });
		const mark = await drawn(page, "TRUCK-042");
		t.diagnostic(`on the map ${Math.round(performance.now() - began)} ms after curl was started`);
		const expected = await page.evaluate(([lon, lat]) => window.livemap.project([lon, lat]), [BERLIN.lon, BERLIN.lat]);
		assert.ok(Math.hypot(mark.left - expected.x, mark.top - expected.y) < 1, `${JSON.stringify(mark)} ${JSON.stringify(expected)}`);
		const { width = 0, height = 0 } = (await page.locator("#map").boundingBox()) ?? {};
		assert.ok(Math.hypot(mark.left - width / 2, mark.top - height / 2) < 1, "the address has named the middle");
		await page.waitForFunction(() => window.livemap.drawn("TRUCK-042") !== null);
		assert.ok(near(await pixel(page, mark), BLUE), `${await pixel(page, mark)}`);
		await says(page, "#list", /TRUCK-042 4 km\/h/);
	});

	test("moves a vehicle on between fixes, and to its next fix", async () => {
		const page = await show(at(BERLIN.lon, BERLIN.lat, 15));
		await hub.publish({ vehicle_id: "VAN-7", ...BERLIN, timestamp: now(), speed_kmh: 36, heading: 90 });
		const first = await drawn(page, "VAN-7");
		await page.waitForFunction((left) => (window.livemap.drawn("VAN-7")?.left ?? 0) > left + 2, first.left);
		assert.ok(Math.abs((await drawn(page, "VAN-7")).top - first.top) < 0.5, "due east");
		await hub.publish({ vehicle_id: "VAN-7", lon: BERLIN.lon, lat: BERLIN.lat + 0.002, timestamp: now(), speed_kmh: 0 });
		const { x, y } = await page.evaluate(([lon, lat]) => window.livemap.project([lon, lat]), [BERLIN.lon, BERLIN.lat + 0.002]);
		await page.waitForFunction(({ x, y }) => {
			const mark = window.livemap.drawn("VAN-7");
			return mark && Math.hypot(mark.left - x, mark.top - y) < 1 && mark.state === "parked";
		}, { x, y });
	});

	test("dims a vehicle that falls silent", async () => {
		const page = await show(at(BERLIN.lon, BERLIN.lat));
		for (const age of [2, 1, 0]) {
			await hub.publish({ vehicle_id: "DIM-7", ...BERLIN, timestamp: now() - age, speed_kmh: 4 });
		}
		await page.waitForFunction(() => window.livemap.drawn("DIM-7")?.state === "moving");
		const lively = await pixel(page, await drawn(page, "DIM-7"));
		assert.ok(near(lively, BLUE), `${lively}`);
		await page.waitForFunction(() => window.livemap.drawn("DIM-7")?.state === "silent");
		const dim = await pixel(page, await drawn(page, "DIM-7"));
		assert.ok(!near(dim, BLUE), `${dim}`);
		await says(page, "#list", /DIM-7 Silent/);
		await says(page, "#filter", /Silent 1/);
	});

	test("takes a vehicle away that is gone", async () => {
		await hub.publish({ vehicle_id: "VAN-7", ...BERLIN }, { vehicle_id: "VAN-8", lon: 13.41, lat: 52.52 });
		const page = await show(at(BERLIN.lon, BERLIN.lat) + "&vehicle=VAN-7");
		const mark = await drawn(page, "VAN-7");
		await hub.remove("VAN-7");
		await page.waitForFunction(() => window.livemap.drawn("VAN-7") === null && window.livemap.drawn("VAN-8") !== null);
		assert.ok(!near(await pixel(page, mark), [100, 116, 139]));
		await says(page, "#filter", /All 1/);
		await says(page, "#details .state", /Gone/);
	});

	test("selects by click, and shows what is known, live", async () => {
		await hub.publish({ vehicle_id: "TRUCK-042", ...BERLIN, altitude: 34.4, speed_kmh: 85, heading: 270, accuracy: 4, driver: "Ada", fuel_percent: 62.5, doors: { open: [1, 2] }, "<b>": "<img src=x onerror=alert(1)>" });
		const page = await show(at(BERLIN.lon + 0.01, BERLIN.lat));
		await says(page, "#list", /TRUCK-042/);
		const { left, top } = await drawn(page, "TRUCK-042");
		await page.locator("#map").click({ position: { x: left, y: top } });
		for (const words of [/TRUCK-042/, /Speed 85 km\/h/, /Heading 270° W/, /Position 52.52001, 13.40495/, /Altitude 34 m/, /± 4 m/, /Driver Ada/, /Fuel 62.5 %/, /Doors {"open":\[1,2\]}/, /<b> <img src=x/]) {
			await says(page, "#details", words);
		}
		await hub.publish({ vehicle_id: "TRUCK-042", ...BERLIN, speed_kmh: 33, driver: "Grace" });
		await says(page, "#details", /Speed 33 km\/h.*Driver Grace/);
		assert.doesNotMatch(await page.locator("#details").innerText(), /Fuel/);
		await page.waitForURL(/vehicle=TRUCK-042/);
		assert.equal(await page.locator("[role=option][aria-selected=true]").getAttribute("data-id"), "TRUCK-042");
		await page.keyboard.press("Escape");
		await page.locator("#details").waitFor({ state: "hidden" });
	});

	test("draws the trail from the log, goes on with it, and puts late positions in their place", async () => {
		const t = now();
		for (let i = 0; i < 5; i++) {
			await hub.publish({ vehicle_id: "TRAIL-7", lon: BERLIN.lon + i * 0.002, lat: BERLIN.lat, timestamp: t - 50 + i * 10, speed_kmh: 40 });
		}
		const page = await show(at(BERLIN.lon, BERLIN.lat, 14) + "&vehicle=TRAIL-7");
		await page.waitForFunction(() => window.livemap.trail() === 5);
		await hub.publish({ vehicle_id: "TRAIL-7", lon: BERLIN.lon + 0.01, lat: BERLIN.lat, timestamp: t, speed_kmh: 40 });
		await page.waitForFunction(() => window.livemap.trail() === 6);
		await hub.publish({ vehicle_id: "TRAIL-7", lon: BERLIN.lon + 0.003, lat: BERLIN.lat + 0.002, timestamp: t - 35, speed_kmh: 40 });
		await page.waitForFunction(() => window.livemap.trail() === 7);
		// Between two fixes, where neither marker nor label is, is the trail's amber.
		const { x, y } = await page.evaluate(([lon, lat]) => window.livemap.project([lon, lat]), [BERLIN.lon + 0.0075, BERLIN.lat]);
		await rest(page);
		await page.waitForTimeout(0);
		const [red, green, blue] = await pixel(page, { left: x, top: y });
		assert.ok(red > 200 && green > 120 && blue < 160, `${red} ${green} ${blue}`);
	});

	test("follows a vehicle, until the map is dragged", async () => {
		await hub.publish({ vehicle_id: "VAN-7", ...BERLIN, speed_kmh: 20 });
		const page = await show(at(BERLIN.lon, BERLIN.lat, 14) + "&vehicle=VAN-7");
		await page.locator("#details .follow").click();
		await hub.publish({ vehicle_id: "VAN-7", lon: BERLIN.lon + 0.1, lat: BERLIN.lat + 0.05, speed_kmh: 20 });
		const { width = 0, height = 0 } = (await page.locator("#map").boundingBox()) ?? {};
		await page.waitForFunction(({ width, height }) => {
			const mark = window.livemap.drawn("VAN-7");
			const { x } = window.livemap.project([13.504954, 52.570008]);
			return mark && Math.hypot(mark.left - width / 2, mark.top - height / 2) < 2 && Math.abs(x - width / 2) < 5;
		}, { width, height });
		await page.waitForURL(/follow/);
		await page.mouse.move(700, 600);
		await page.mouse.down();
		await page.mouse.move(600, 500, { steps: 5 });
		await page.mouse.up();
		await page.waitForFunction(() => document.querySelector("#details .follow")?.getAttribute("aria-pressed") === "false");
	});

	test("searches, filters and sorts, also by keyboard", async () => {
		await hub.publish(
			{ vehicle_id: "VAN-2", lon: 13.4, lat: 52.5, speed_kmh: 0 }, { vehicle_id: "VAN-10", lon: 13.5, lat: 52.5, speed_kmh: 50 },
			{ vehicle_id: "BUS-1", lon: 13.45, lat: 52.55, speed_kmh: 20, line: "M41 Hauptbahnhof" }, { vehicle_id: "FAR-1", lon: -70, lat: 40, speed_kmh: 0 },
		);
		const page = await show(at(13.45, 52.52, 10));
		const rows = () => page.locator("[role=option]").evaluateAll((rows) => rows.sort((a, b) => Number(a.getAttribute("aria-posinset")) - Number(b.getAttribute("aria-posinset"))).map((r) => r.getAttribute("data-id")));
		await says(page, "#summary", /3 vehicles here/);
		assert.deepEqual(await rows(), ["BUS-1", "VAN-2", "VAN-10"]);
		await page.locator("#sort").selectOption("speed");
		assert.deepEqual(await rows(), ["VAN-10", "BUS-1", "VAN-2"]);
		await page.getByRole("radio", { name: /Parked/ }).check();
		assert.deepEqual(await rows(), ["VAN-2"]);
		await page.waitForFunction(() => window.livemap.drawn("VAN-10") === null && window.livemap.drawn("VAN-2") !== null);
		await page.getByRole("radio", { name: /All/ }).check();
		await page.keyboard.press("/");
		await page.keyboard.type("hauptbahn");
		assert.deepEqual(await rows(), ["BUS-1"]);
		await page.keyboard.press("Escape");
		await page.keyboard.type("van");
		assert.deepEqual(await rows(), ["VAN-10", "VAN-2"]);
		await page.keyboard.press("ArrowDown");
		await page.keyboard.press("ArrowDown");
		await page.keyboard.press("Enter");
		await says(page, "#details h2", /^VAN-2$/);
		await page.locator("#search").fill("far-1");
		await says(page, "#nobody", /Enter looks for/);
		await page.locator("#search").fill("FAR-2");
		await page.keyboard.press("Enter");
		await says(page, "#notice", /knows no vehicle “FAR-2”/);
		await page.locator("#search").fill("FAR-1");
		await page.locator("#search").focus();
		await page.keyboard.press("Enter");
		await says(page, "#details h2", /^FAR-1$/);
		await drawn(page, "FAR-1");
		opened[0].complaints = opened[0].complaints.filter((c) => !c.includes("/vehicles/FAR-2")); // the browser tells of the 404
	});

	test("is shared by its address", async () => {
		await hub.publish({ vehicle_id: "VAN 7/ä", ...BERLIN, speed_kmh: 0 }, { vehicle_id: "VAN-8", lon: 13.41, lat: 52.52, speed_kmh: 50 });
		const page = await show(at(BERLIN.lon, BERLIN.lat, 12));
		await page.getByRole("radio", { name: /Parked/ }).check();
		await page.locator("[role=option]").first().click();
		await page.waitForURL(/vehicle=.*filter=parked/);
		await rest(page);
		const other = await show(new URL(page.url()).hash);
		await says(other, "#details h2", /^VAN 7\/ä$/);
		assert.ok(await other.getByRole("radio", { name: /Parked/ }).isChecked());
		const [a, b] = [await drawn(page, "VAN 7/ä"), await drawn(other, "VAN 7/ä")];
		assert.ok(Math.hypot(a.left - b.left, a.top - b.top) < 2, `${JSON.stringify(a)} ${JSON.stringify(b)}`);
		await other.evaluate(() => (location.hash = "#map=5/0/0"));
		await other.locator("#details").waitFor({ state: "hidden" });
		await other.waitForFunction(() => window.livemap.drawn("VAN-8") === null);
		assert.ok(await other.getByRole("radio", { name: /All/ }).isChecked());
	});

	test("loads what is where the map is moved to, and leaves no ghost", async () => {
		await hub.publish({ vehicle_id: "HERE", ...BERLIN }, { vehicle_id: "THERE", lon: 15.5, lat: 52.5 }, { vehicle_id: "CHOSEN", lon: 13.41, lat: 52.52, speed_kmh: 10 });
		const page = await show(at(BERLIN.lon, BERLIN.lat, 12) + "&vehicle=CHOSEN");
		const known = () => page.evaluate(() => window.livemap.vehicles().map((v) => v.id).sort());
		assert.deepEqual(await known(), ["CHOSEN", "HERE"]);
		await page.evaluate(() => (location.hash = "#map=12/52.5/15.5&vehicle=CHOSEN"));
		await drawn(page, "THERE");
		assert.deepEqual(await known(), ["CHOSEN", "THERE"]);
		await hub.publish({ vehicle_id: "HERE", lon: 13.45, lat: 52.5 }, { vehicle_id: "CHOSEN", lon: 13.42, lat: 52.52, speed_kmh: 77 });
		await says(page, "#details", /Speed 77/);
		assert.deepEqual(await known(), ["CHOSEN", "THERE"]);
		await hub.publish({ vehicle_id: "THERE", lon: 18, lat: 52.5 });
		await page.waitForFunction(() => window.livemap.vehicles().length === 1);
		await page.evaluate(() => (location.hash = "#map=12/52.52/13.42"));
		await drawn(page, "HERE");
		assert.deepEqual(await known(), ["CHOSEN", "HERE"]);
		await page.evaluate(() => (location.hash = "#map=4/52/15"));
		await page.waitForFunction(() => window.livemap.vehicles().length === 3);
		assert.equal(await page.evaluate(() => window.livemap.status().phase), "live");
	});

	test("puts a crowd together with its count, and takes it apart from near", async () => {
		await hub.publish(...Array.from({ length: 30 }, (_, i) => ({ vehicle_id: `VAN-${i}`, lon: BERLIN.lon + (i % 6) * 0.004, lat: BERLIN.lat + Math.floor(i / 6) * 0.002 })));
		const page = await show(at(BERLIN.lon, BERLIN.lat, 6));
		await page.waitForFunction(() => window.livemap.clusters().reduce((n, c) => n + c.count, 0) === 30);
		const [{ left, top }] = await page.evaluate(() => window.livemap.clusters());
		await page.locator("#map").click({ position: { x: left, y: top } });
		await page.waitForFunction(() => window.livemap.clusters().length === 0 && window.livemap.drawn("VAN-29") !== null);
	});

	test("moves nothing by itself for those who asked for less motion", async () => {
		const page = await show(at(BERLIN.lon, BERLIN.lat, 15), { reducedMotion: "reduce" });
		await hub.publish({ vehicle_id: "CALM-1", ...BERLIN, timestamp: now() - 2, speed_kmh: 72, heading: 90 });
		const mark = await drawn(page, "CALM-1");
		const { x, y } = await page.evaluate(([lon, lat]) => window.livemap.project([lon, lat]), [BERLIN.lon, BERLIN.lat]);
		assert.ok(Math.hypot(mark.left - x, mark.top - y) < 1, "at its fix, though it has gone on");
	});

	test("works as well over HTTP/2", async () => {
		const other = await launch("--ignore-certificate-errors", "--disable-quic");
		try {
			await hub.publish({ vehicle_id: "VAN-7", ...BERLIN });
			const { page, complaints } = await open(hub, other, at(BERLIN.lon, BERLIN.lat));
			await drawn(page, "VAN-7");
			assert.equal(await page.evaluate(() => window.livemap.status().protocol), "h2");
			await says(page, "#sign", /Live HTTP\/2/);
			assert.deepEqual(complaints, []);
		} finally {
			await other.close();
		}
	});

	test("draws a vehicle on the other side of the antimeridian", async () => {
		await hub.publish({ vehicle_id: "EAST", lon: 179.99, lat: -17 }, { vehicle_id: "WEST", lon: -179.99, lat: -17 });
		const page = await show(at(-179.995, -17, 13));
		const [east, west] = [await drawn(page, "EAST"), await drawn(page, "WEST")];
		assert.ok(east.left < west.left && west.left - east.left < 300, `${east.left} ${west.left}`);
	});
});
