/**
 * The page of a real hub in a real browser, over HTTP/3.
 */
import assert from "node:assert/strict";
import { exec } from "node:child_process";
import { after, afterEach, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { browser as launch, drawn, Hub, LIMIT, live, now, open, pixel, rest } from "./hub.mjs";

const BLUE = [37, 99, 235]; // a moving vehicle
const SELECTED = [162, 28, 175];
const AMBER = [245, 158, 11];
/** Software draws it in a third of the time. */
const SMALL = { viewport: { width: 940, height: 500 } };
const BERLIN = { lon: 13.404954, lat: 52.520008 };

/** @type {Hub} */
let hub;
/** One with the plain map and one with MapLibre's, which takes several times as long. */
/** @type {Record<Drawing, import("playwright-core").Browser>} */
let browsers;
/** @type {import("./hub.mjs").Opened[]} */
let opened = [];
/**
 * Shared by the tests, one after the other: a page of its own costs each of them two seconds.
 * @type {Partial<Record<Drawing, import("./hub.mjs").Opened>>}
 */
let shared = {};
/** Those that the test has. @type {Set<Drawing>} */
const sharing = new Set();

/** @typedef {import("./hub.mjs").Drawing} Drawing */

before(async () => {
	hub = await Hub.start();
	browsers = { plain: await hub.browser("plain"), webgl: await hub.browser("webgl") };
});

after(async () => {
	await browsers?.plain.close();
	await browsers?.webgl.close();
	await hub?.end();
});

// After every test no page has complained, and the hub is empty.
afterEach(async () => {
	const pages = opened.splice(0);
	await Promise.all(pages.map(({ page }) => page.context().close()));
	for (const drawing of sharing) {
		await shared[drawing]?.page.goto("about:blank");
	}
	sharing.clear();
	await hub.clear();
	assert.deepEqual(
		[...pages, ...Object.values(shared)].flatMap(({ complaints }) => complaints.splice(0)),
		[],
	);
});

/**
 * Loads the page; with options, or as a second one in a test, in a context of its own.
 * @param {string} [hash]
 * @param {import("playwright-core").BrowserContextOptions} [options]
 * @param {Drawing} [drawing]
 */
async function show(hash = "", options, drawing = "plain") {
	if (options || sharing.has(drawing)) {
		const one = await open(hub, browsers[drawing], hash, options);
		opened.push(one);
		return one.page;
	}
	sharing.add(drawing);
	const one = shared[drawing];
	if (one) {
		await one.page.goto(`${hub.public}/${hash}`);
		await live(one.page);
		return one.page;
	}
	return (shared[drawing] = await open(hub, browsers[drawing], hash, drawing === "webgl" ? SMALL : {})).page;
}

/**
 * Loads the page with MapLibre's map, and waits for that.
 * @param {string} [hash]
 * @param {import("playwright-core").BrowserContextOptions} [options]
 */
async function showFull(hash, options) {
	const page = await show(hash, options, "webgl");
	await page.locator(".maplibregl-canvas").waitFor();
	return page;
}

/**
 * How opaque the vehicles' canvas is at a point of the map, 0 to 255.
 * @param {import("playwright-core").Page} page
 * @param {{left: number, top: number}} at CSS pixels
 */
const opacity = (page, { left, top }) =>
	page.evaluate(
		([x, y]) => {
			const canvas = /** @type {HTMLCanvasElement} */ (document.querySelector("canvas.markers"));
			return canvas.getContext("2d")?.getImageData(x, y, 1, 1).data[3];
		},
		[Math.round(left), Math.round(top)],
	);

/** @param {number[]} a @param {number[]} b */
function near(a, b) {
	return a.every((c, i) => Math.abs(c - b[i]) < 40);
}

/**
 * Waits until a moving vehicle's arrow is hollow.
 * @param {import("playwright-core").Page} page
 * @param {string} id
 */
async function hollow(page, id) {
	const limit = Date.now() + LIMIT;
	while (near(await pixel(page, await drawn(page, id)), BLUE)) {
		assert.ok(Date.now() < limit, "the arrow is filled"); // it may have moved since its place was read
	}
}

/** @param {number} lon @param {number} lat @param {number} [zoom] */
const at = (lon, lat, zoom = 13) => `#map=${zoom}/${lat}/${lon}`;

/**
 * Waits for the text of an element.
 * @param {import("playwright-core").Page} page
 * @param {string} selector
 * @param {RegExp} words
 */
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

describe("the page", { timeout: 30 * LIMIT }, () => {
	test("loads over HTTP/3, as does its stream", async () => {
		const page = await showFull();
		const protocols = await page.evaluate(() => {
			const [navigation] = /** @type {PerformanceNavigationTiming[]} */ (
				performance.getEntriesByType("navigation")
			);
			const resources = /** @type {PerformanceResourceTiming[]} */ (
				performance.getEntriesByType("resource")
			);
			return [navigation, ...resources]
				.filter((r) => r.nextHopProtocol !== "")
				.map((r) => r.nextHopProtocol);
		});
		assert.ok(protocols.length > 10);
		assert.deepEqual([...new Set(protocols)], ["h3"]);
		assert.equal(await page.evaluate(() => window.livemap.status().protocol), "h3");
		await says(page, "#connection", /Live HTTP\/3 · (now|\d+ s ago)/);
		await says(page, "#connection", /· [2-9] s ago/);
		await says(page, "#empty-list", /No vehicle has reported yet/);
	});

	test("shows a position that is published with curl, at the right pixel", async (t) => {
		const page = await showFull(at(BERLIN.lon, BERLIN.lat));
		const began = performance.now();
		await hub.publish({ vehicle_id: "TRUCK-042", ...BERLIN, speed_kmh: 4 });
		const mark = await drawn(page, "TRUCK-042");
		t.diagnostic(`on the map ${Math.round(performance.now() - began)} ms after curl was started`);
		const expected = await page.evaluate(
			([lon, lat]) => window.livemap.project([lon, lat]),
			[BERLIN.lon, BERLIN.lat],
		);
		assert.ok(
			Math.hypot(mark.left - expected.x, mark.top - expected.y) < 1,
			`${JSON.stringify(mark)} ${JSON.stringify(expected)}`,
		);
		const { width = 0, height = 0 } = (await page.locator("#map").boundingBox()) ?? {};
		assert.ok(
			Math.hypot(mark.left - width / 2, mark.top - height / 2) < 1,
			"the address has named the middle",
		);
		await page.waitForFunction(() => window.livemap.drawn("TRUCK-042") !== null);
		assert.ok(near(await pixel(page, mark), BLUE), `${await pixel(page, mark)}`);
		await says(page, "#list", /TRUCK-042 4 km\/h/);
	});

	test("moves a vehicle between fixes, and to its next fix", async () => {
		const page = await show(at(BERLIN.lon, BERLIN.lat, 15));
		await hub.publish({ vehicle_id: "VAN-7", ...BERLIN, timestamp: now(), speed_kmh: 36, heading: 90 });
		const first = await drawn(page, "VAN-7");
		await page.waitForFunction(
			(left) => (window.livemap.drawn("VAN-7")?.left ?? 0) > left + 2,
			first.left,
		);
		assert.ok(Math.abs((await drawn(page, "VAN-7")).top - first.top) < 0.5, "due east");
		await hub.publish({
			vehicle_id: "VAN-7",
			lon: BERLIN.lon,
			lat: BERLIN.lat + 0.002,
			timestamp: now(),
			speed_kmh: 0,
		});
		const { x, y } = await page.evaluate(
			([lon, lat]) => window.livemap.project([lon, lat]),
			[BERLIN.lon, BERLIN.lat + 0.002],
		);
		await page.waitForFunction(
			({ x, y }) => {
				const mark = window.livemap.drawn("VAN-7");
				return mark && Math.hypot(mark.left - x, mark.top - y) < 1 && mark.state === "parked";
			},
			{ x, y },
		);
	});

	test("shows a vehicle that falls silent in amber", async () => {
		const page = await show(at(BERLIN.lon, BERLIN.lat));
		const driving = { vehicle_id: "DIM-7", ...BERLIN, speed_kmh: 4 };
		await hub.publish({ ...driving, timestamp: now() - 90, expect_within_s: 60 });
		await page.waitForFunction(() => window.livemap.drawn("DIM-7")?.state === "moving");
		const lively = await pixel(page, await drawn(page, "DIM-7"));
		assert.ok(near(lively, BLUE), `${lively}`);
		await hub.publish({ ...driving, timestamp: now() - 89 });
		await page.waitForFunction(() => window.livemap.drawn("DIM-7")?.state === "silent");
		const silent = await pixel(page, await drawn(page, "DIM-7"));
		assert.ok(near(silent, AMBER), `${silent}`);
		await says(page, "#list", /DIM-7 Silent/);
		await says(page, "#filter", /Silent 1/);
	});

	test("marks what is a guess, in the list, the details and on the map", async () => {
		const t = now();
		await hub.publish(
			{ vehicle_id: "GUESS-1", ...BERLIN, timestamp: t - 20 },
			{ vehicle_id: "LOST-1", ...BERLIN, lat: BERLIN.lat - 0.004, timestamp: t - 4000 },
		);
		const page = await show(at(BERLIN.lon, BERLIN.lat, 15) + "&vehicle=GUESS-1");
		await says(page, "#list", /GUESS-1 Speed unknown/);
		await says(page, "#details", /Speed unknown, last fix .*Speed unknown Position/);
		const north = { lon: BERLIN.lon, lat: BERLIN.lat + 0.004 };
		await hub.publish({ vehicle_id: "AHEAD-1", ...north, timestamp: now() + 58, speed_kmh: 4 });
		await says(page, "#list", /AHEAD-1 4 km\/h \d+ s ahead/);
		await says(page, "#filter", /All 3 Moving 1 Parked 0 Unknown 1 Silent 1/);
		await page.getByRole("radio", { name: /Unknown/ }).check();
		await says(page, "#summary", /^1 of 3 vehicles$/);
		await page.getByRole("radio", { name: /All/ }).check();
		await hub.publish({ vehicle_id: "GUESS-1", lon: BERLIN.lon + 0.001, lat: BERLIN.lat, timestamp: t - 10 });
		await says(page, "#list", /GUESS-1 ~24 km\/h ~E/);
		await says(page, "#details", /Speed ~24 km\/h Heading ~90° E/);
		await page.waitForFunction(() => window.livemap.drawn("GUESS-1")?.guess === true);
		await hollow(page, "GUESS-1");

		const driving = { vehicle_id: "GUESS-1", ...BERLIN, speed_kmh: 90, heading: 90, accuracy: 150 };
		await hub.publish({ ...driving, timestamp: now() });
		await says(page, "#list", /GUESS-1 90 km\/h E/);
		await says(page, "#filter", /All 3 Moving 2 Parked 0 Silent 1$/);
		await page.waitForFunction(() => window.livemap.drawn("GUESS-1")?.guess === true);
		const mark = await drawn(page, "GUESS-1");
		const [fix, edge] = await page.evaluate(
			([lon, lat]) =>
				[lat, lat - 150 / 111_320].map((lat) => {
					const { x, y } = window.livemap.project([lon, lat]);
					return { left: x, top: y };
				}),
			[BERLIN.lon, BERLIN.lat],
		);
		assert.ok(mark.left > fix.left + 10, "it is carried on");
		await hollow(page, "GUESS-1");
		assert.ok(near(await pixel(page, fix), SELECTED), "beside its last fix");
		const [red, green] = await pixel(page, edge);
		assert.ok(red > green + 60, `within its circle of accuracy: ${red} ${green}`);
	});

	test("shows numbers, long values and odd ids as they are", async () => {
		const t = now();
		const [spaced, cyrillic] = ["VAN\u00A07", "V\u0410N-1"];
		await hub.publish(
			{ vehicle_id: spaced, ...BERLIN, lat: BERLIN.lat + 0.003, speed_kmh: 0 },
			{ vehicle_id: cyrillic, ...BERLIN, lat: BERLIN.lat - 0.003, speed_kmh: 0 },
			{ vehicle_id: "VAN-1", ...BERLIN, lat: BERLIN.lat - 0.006, speed_kmh: 0 },
		);
		/** @param {number} timestamp @param {string} serial */
		const publish = (timestamp, serial) =>
			fetch(`${hub.internal}/publish`, {
				method: "POST",
				headers: { "Content-Type": "application/json" },
				body: `{"vehicle_id":"EXACT-1","lon":${BERLIN.lon},"lat":${BERLIN.lat},"timestamp":${timestamp},
					"speed_kmh":1e308,"heading":90,"huge":1e308,"deep":-1e308,"tiny":1e-9,"rate_km":0.00035,
					"serial":${serial},"nothing":null,"nested":{"a":[{"b":${serial}}]},"log":"${"y".repeat(12_000)}"}`,
			});
		await publish(t - 10, "12345678901234567891");
		const page = await show(at(BERLIN.lon, BERLIN.lat, 14) + "&vehicle=EXACT-1");
		for (const words of [
			/Speed 1e\+308 km\/h/,
			/Huge 1e\+308 Deep -1e\+308 Tiny 1e-9 Rate 0.00035 km/,
			/Serial 12345678901234567891 Nothing null Nested {"a":\[{"b":"12345678901234567891"}\]}/,
			/Log y{160}…\s?more \(12,000 characters\)/,
		]) {
			await says(page, "#details", words);
		}
		await page.locator("#details .more").click();
		await says(page, "#details", /Log y{12000}\s?less/);
		await publish(t - 5, "98765432109876543211"); // from the stream, not from a snapshot
		await says(page, "#details", /Serial 98765432109876543211 .*Log y{12000}\s?less/);
		assert.ok(await drawn(page, "EXACT-1"), "where it is");

		await says(page, "#list", /VANU\+00A07 Parked/);
		await says(page, "#list", /VAN-1 A Latin Parked/);
		await says(page, "#list", /V\u0410N-1 \u0410 Cyrillic Parked/);
		const { left, top } = await drawn(page, spaced);
		await page.locator("#map").click({ position: { x: left, y: top } });
		await says(page, "#details h2", /^VANU\+00A07$/);
		assert.equal(await page.locator("#details h2 bdi .hidden-character").innerText(), "U+00A0");
		assert.equal(await page.title(), "VAN‹U+00A0›7 – Live Map");
		await page.locator(`[data-id="${cyrillic}"]`).click();
		await says(page, "#details h2", /^V\u0410N-1 \u0410 Cyrillic$/);
	});

	test("removes a vehicle that is gone", async () => {
		await hub.publish(
			{ vehicle_id: "VAN-7", ...BERLIN },
			{ vehicle_id: "VAN-8", lon: 13.41, lat: 52.52 },
		);
		const page = await show(at(BERLIN.lon, BERLIN.lat) + "&vehicle=VAN-7");
		const mark = await drawn(page, "VAN-7");
		assert.equal(await opacity(page, mark), 255);
		await hub.remove("VAN-7");
		await page.waitForFunction(
			() => window.livemap.drawn("VAN-7") === null && window.livemap.drawn("VAN-8") !== null,
		);
		assert.equal(await opacity(page, mark), 0, "nor its ring"); // below, a name may come back
		await says(page, "#filter", /All 1/);
		await says(page, "#details .state", /Gone/);
		assert.equal(await page.locator("#details").getAttribute("data-state"), "gone");
	});

	test("selects by click, and shows the telemetry live", async () => {
		await hub.publish({
			vehicle_id: "TRUCK-042",
			...BERLIN,
			altitude: 34.4,
			speed_kmh: 85,
			heading: 270,
			accuracy: 4,
			driver: "Ada",
			fuel_percent: 62.5,
			doors: { open: [1, 2] },
			"<b>": "<img src=x onerror=alert(1)>",
		});
		const page = await show(at(BERLIN.lon + 0.01, BERLIN.lat));
		await says(page, "#list", /TRUCK-042/);
		const { left, top } = await drawn(page, "TRUCK-042");
		await page.locator("#map").click({ position: { x: left, y: top } });
		for (const words of [
			/TRUCK-042/,
			/Speed 85 km\/h/,
			/Heading 270° W/,
			/Position 52.52001, 13.40495/,
			/Altitude 34 m/,
			/± 4 m/,
			/Driver Ada/,
			/Fuel 62.5 %/,
			/Doors {"open":\[1,2\]}/,
			/<b> <img src=x/,
		]) {
			await says(page, "#details", words);
		}
		await hub.publish({ vehicle_id: "TRUCK-042", ...BERLIN, speed_kmh: 33, driver: "Grace" });
		await says(page, "#details", /Speed 33 km\/h.*Driver Grace/);
		assert.doesNotMatch(await page.locator("#details").innerText(), /Fuel/);
		await page.waitForURL(/vehicle=TRUCK-042/);
		assert.equal(
			await page.locator("[role=option][aria-selected=true]").getAttribute("data-id"),
			"TRUCK-042",
		);
		await page.keyboard.press("Escape");
		await page.locator("#details").waitFor({ state: "hidden" });
	});

	test("draws the trail from the log, extends it, and sorts late positions in", async () => {
		const t = now();
		for (let i = 0; i < 5; i++) {
			await hub.publish({
				vehicle_id: "TRAIL-7",
				lon: BERLIN.lon + i * 0.002,
				lat: BERLIN.lat,
				timestamp: t - 50 + i * 10,
				speed_kmh: 40,
			});
		}
		const page = await show(at(BERLIN.lon, BERLIN.lat, 14) + "&vehicle=TRAIL-7");
		await page.waitForFunction(() => window.livemap.trail() === 5);
		await hub.publish({
			vehicle_id: "TRAIL-7",
			lon: BERLIN.lon + 0.01,
			lat: BERLIN.lat,
			timestamp: t,
			speed_kmh: 40,
		});
		await page.waitForFunction(() => window.livemap.trail() === 6);
		await hub.publish({
			vehicle_id: "TRAIL-7",
			lon: BERLIN.lon + 0.003,
			lat: BERLIN.lat + 0.002,
			timestamp: t - 35,
			speed_kmh: 40,
		});
		await page.waitForFunction(() => window.livemap.trail() === 7);
		// Between two fixes, clear of marker and label, the pixel has the trail's purple.
		const { x, y } = await page.evaluate(
			([lon, lat]) => window.livemap.project([lon, lat]),
			[BERLIN.lon + 0.0075, BERLIN.lat],
		);
		await rest(page);
		await page.waitForTimeout(0);
		const [red, green, blue] = await pixel(page, { left: x, top: y });
		assert.ok(red > green + 40 && blue > green + 40, `${red} ${green} ${blue}`);
	});

	test("follows a vehicle, until the map is dragged", async () => {
		await hub.publish({ vehicle_id: "VAN-7", ...BERLIN, speed_kmh: 20 });
		const page = await showFull(at(BERLIN.lon, BERLIN.lat, 14) + "&vehicle=VAN-7");
		await page.locator("#details .follow").click();
		await hub.publish({
			vehicle_id: "VAN-7",
			lon: BERLIN.lon + 0.1,
			lat: BERLIN.lat + 0.05,
			speed_kmh: 20,
		});
		const boxes = await Promise.all(["#map", "#details"].map((box) => page.locator(box).boundingBox()));
		const [map, details] = /** @type {{x: number, y: number, width: number, height: number}[]} */ (boxes);
		await page.waitForFunction(
			({ width, height }) => {
				const mark = window.livemap.drawn("VAN-7");
				const { x } = window.livemap.project([13.504954, 52.570008]);
				return (
					mark &&
					Math.hypot(mark.left - width / 2, mark.top - height / 2) < 2 &&
					Math.abs(x - width / 2) < 5
				);
			},
			{ width: details.x - map.x, height: map.height }, // beside the details
		);
		await page.waitForURL(/follow/);
		await page.mouse.move(450, 400);
		await page.mouse.down();
		await page.mouse.move(400, 300, { steps: 5 });
		await page.mouse.up();
		await page.waitForFunction(
			() => document.querySelector("#details .follow")?.getAttribute("aria-pressed") === "false",
		);
	});

	test("searches, filters and sorts, also by keyboard", async () => {
		await hub.publish(
			{ vehicle_id: "VAN-2", lon: 13.4, lat: 52.5, speed_kmh: 0 },
			{ vehicle_id: "VAN-10", lon: 13.5, lat: 52.5, speed_kmh: 50 },
			{ vehicle_id: "BUS-1", lon: 13.45, lat: 52.55, speed_kmh: 20, line: "M41 Hauptbahnhof" },
			{ vehicle_id: "FAR-1", lon: -70, lat: 40, speed_kmh: 0 },
		);
		const page = await show(at(13.45, 52.52, 10));
		const rows = () =>
			page
				.locator("[role=option]")
				.evaluateAll((rows) =>
					rows
						.sort(
							(a, b) =>
								Number(a.getAttribute("aria-posinset")) -
								Number(b.getAttribute("aria-posinset")),
						)
						.map((r) => r.getAttribute("data-id")),
				);
		await says(page, "#summary", /^4 vehicles$/);
		await page.getByRole("switch", { name: "Only in view" }).check();
		await says(page, "#summary", /^3 of 4 vehicles · only in view$/);
		assert.deepEqual(await rows(), ["BUS-1", "VAN-2", "VAN-10"]);
		await page.locator("#sort").selectOption("speed");
		assert.deepEqual(await rows(), ["VAN-10", "BUS-1", "VAN-2"]);
		await page.getByRole("radio", { name: /Parked/ }).check();
		assert.deepEqual(await rows(), ["VAN-2"]);
		await says(page, "#filter", /All 4 Moving 2 Parked 2/);
		await page.waitForFunction(
			() => window.livemap.drawn("VAN-10") === null && window.livemap.drawn("VAN-2") !== null,
		);
		await page.getByRole("radio", { name: /All/ }).check();
		await page.keyboard.press("/");
		await page.keyboard.type("hauptbahn");
		assert.deepEqual(await rows(), ["BUS-1"]);
		await page.keyboard.press("Enter");
		await says(page, "#details h2", /^BUS-1$/);
		await page.keyboard.press("f"); // no longer a letter of the search
		await page.locator('#details .follow[aria-pressed="true"]').waitFor();
		await page.keyboard.press("f");
		await page.locator('#details .follow[aria-pressed="false"]').waitFor();
		await page.keyboard.press("/");
		await page.keyboard.press("Escape");
		await page.keyboard.type("van");
		assert.deepEqual(await rows(), ["VAN-10", "VAN-2"]);
		await page.keyboard.press("ArrowDown");
		await page.keyboard.press("ArrowDown");
		await page.keyboard.press("Enter");
		await says(page, "#details h2", /^VAN-2$/);
		await page.locator("#search").fill("FAR-2");
		await says(page, "#empty-list", /Enter looks for/);
		await page.locator("#search").press("Enter");
		await says(page, "#notice", /knows no vehicle “FAR-2”/);
		await page.locator("#search").fill("far");
		await says(page, "#summary", /^0 of 4 vehicles · searched what is in view$/);
		await page.getByRole("switch", { name: "Only in view" }).uncheck();
		await page.locator('[data-id="FAR-1"]').waitFor();
		await says(page, "#summary", /^1 of 4 vehicles · searched the whole fleet(, as of \d+ s ago)?$/);
		assert.ok(
			await page.evaluate(() => window.livemap.vehicles().every((v) => v.id !== "FAR-1")),
			"a search opens no stream of the whole fleet",
		);
		await page.locator("#search").press("Enter");
		await says(page, "#details h2", /^FAR-1$/);
		await drawn(page, "FAR-1");
		await page.locator("#search").fill("");
		await says(page, "#summary", /^4 vehicles$/);
	});

	test("lists the whole fleet at every zoom, whatever is selected", async () => {
		await hub.publish(
			...Array.from({ length: 12 }, (_, i) => ({
				vehicle_id: `VAN-${i}`,
				lon: -120 + i * 20,
				lat: 40,
				speed_kmh: i % 2 ? 50 : 0,
			})),
		);
		const page = await show(at(0, 40, 2));
		const whole = async () => {
			await says(page, "#filter", /All 12 Moving 6 Parked 6/);
			assert.equal(await page.locator("[role=option]").first().getAttribute("aria-setsize"), "12");
		};
		await whole();
		await page.locator('[data-id="VAN-3"]').click();
		await page.waitForFunction(() => window.livemap.vehicles().length === 1); // from near
		await drawn(page, "VAN-3");
		await whole();
		await page.locator('[data-id="VAN-8"]').click();
		await drawn(page, "VAN-8");
		await page.waitForFunction(() => window.livemap.vehicles().every((v) => v.id === "VAN-8"));
		await whole();
		await page.getByRole("switch", { name: "Only in view" }).check();
		await says(page, "#summary", /^1 of 12 vehicles · only in view$/);
		await page.waitForURL(/&inview/);
		await says(page, "#filter", /All 12 Moving 6 Parked 6/);
		await page.keyboard.press("Escape");
		await page.evaluate(() => (location.hash = "#map=9/40/-60"));
		await drawn(page, "VAN-3");
		await whole();
		await hub.publish({ vehicle_id: "VAN-3", lon: 170, lat: 0, speed_kmh: 20 });
		await page.waitForFunction(() => window.livemap.vehicles().length === 0); // it has left the view
		await whole();
		assert.equal(await page.evaluate(() => window.livemap.drawn("VAN-3")), null, "and leaves no ghost");
	});

	test("has the whole fleet in a link to a near view too", async () => {
		await hub.publish(
			{ vehicle_id: "HERE", ...BERLIN, speed_kmh: 0 },
			{ vehicle_id: "FAR-1", lon: -70, lat: 40, speed_kmh: 50 },
		);
		const page = await show(at(BERLIN.lon, BERLIN.lat));
		await says(page, "#filter", /All 2 Moving 1 Parked 1/);
		await page.locator('[data-id="FAR-1"]').click();
		await drawn(page, "FAR-1");
		await says(page, "#list", /FAR-1 50 km\/h/);
	});

	test("finds vehicles with any id", async () => {
		const odd = [".", "..", "a/b%2F?#", "__proto__", "<script>", "🚚"];
		await hub.publish(
			...odd.map((vehicle_id, i) => ({ vehicle_id, lon: 13.4 + i / 10, lat: 52.5, speed_kmh: 0 })),
		);
		// The filter makes Enter ask the hub.
		const page = await show(at(-70, 40, 12) + "&filter=moving");
		for (const id of odd) {
			await page.locator("#search").fill(id);
			await page.locator("#search").press("Enter");
			await page.waitForFunction(
				(id) =>
					document.querySelector("#details h2")?.textContent === id &&
					window.livemap.drawn(id) !== null,
				id,
			);
		}
	});

	test("is shared by its address", async () => {
		await hub.publish(
			{ vehicle_id: "VAN 7/ä", ...BERLIN, speed_kmh: 0 },
			{ vehicle_id: "VAN-8", lon: 13.41, lat: 52.52, speed_kmh: 50 },
		);
		const page = await show(at(BERLIN.lon, BERLIN.lat, 12));
		await page.getByRole("radio", { name: /Parked/ }).check();
		await page.locator("[role=option]").first().click();
		await page.waitForURL(/vehicle=.*filter=parked/);
		await rest(page);
		const other = await show(new URL(page.url()).hash);
		await says(other, "#details h2", /^VAN 7\/ä$/);
		assert.ok(await other.getByRole("radio", { name: /Parked/ }).isChecked());
		const [a, b] = [await drawn(page, "VAN 7/ä"), await drawn(other, "VAN 7/ä")];
		assert.ok(
			Math.hypot(a.left - b.left, a.top - b.top) < 2,
			`${JSON.stringify(a)} ${JSON.stringify(b)}`,
		);
		await other.evaluate(() => (location.hash = "#map=5/0/0"));
		await other.locator("#details").waitFor({ state: "hidden" });
		await other.waitForFunction(() => window.livemap.drawn("VAN-8") === null);
		assert.ok(await other.getByRole("radio", { name: /All/ }).isChecked());
	});

	test("loads the vehicles of the new view, and leaves no ghost", async () => {
		await hub.publish(
			{ vehicle_id: "HERE", ...BERLIN },
			{ vehicle_id: "THERE", lon: 15.5, lat: 52.5 },
			{ vehicle_id: "CHOSEN", lon: 13.41, lat: 52.52, speed_kmh: 10 },
		);
		const page = await show(at(BERLIN.lon, BERLIN.lat, 12) + "&vehicle=CHOSEN");
		const known = () =>
			page.evaluate(() =>
				window.livemap
					.vehicles()
					.map((v) => v.id)
					.sort(),
			);
		assert.deepEqual(await known(), ["CHOSEN", "HERE"]);
		await page.evaluate(() => (location.hash = "#map=12/52.5/15.5&vehicle=CHOSEN"));
		await drawn(page, "THERE");
		assert.deepEqual(await known(), ["THERE"], "the selected one has a stream of its own");
		await hub.publish(
			{ vehicle_id: "HERE", lon: 13.45, lat: 52.5 },
			{ vehicle_id: "CHOSEN", lon: 13.42, lat: 52.52, speed_kmh: 77 },
		);
		await says(page, "#details", /Speed 77/);
		assert.deepEqual(await known(), ["THERE"]);
		await hub.publish({ vehicle_id: "THERE", lon: 18, lat: 52.5 });
		await page.waitForFunction(() => window.livemap.vehicles().length === 0);
		await page.evaluate(() => (location.hash = "#map=12/52.52/13.42"));
		await drawn(page, "HERE");
		assert.deepEqual(await known(), ["CHOSEN", "HERE"]);
		await page.evaluate(() => (location.hash = "#map=4/52/15"));
		await page.waitForFunction(() => window.livemap.vehicles().length === 3);
		assert.equal(await page.evaluate(() => window.livemap.status().phase), "live");
	});

	test("clusters a crowd with its count, and separates it from near", async () => {
		await hub.publish(
			...Array.from({ length: 30 }, (_, i) => ({
				vehicle_id: `VAN-${i}`,
				lon: BERLIN.lon + (i % 6) * 0.003,
				lat: BERLIN.lat + Math.floor(i / 6) * 0.002,
			})),
		);
		const page = await showFull(at(BERLIN.lon, BERLIN.lat, 6));
		await page.waitForFunction(() => window.livemap.clusters().reduce((n, c) => n + c.count, 0) === 30);
		const [{ left, top }] = await page.evaluate(() => window.livemap.clusters());
		await page.locator("#map").click({ position: { x: left, y: top } });
		await page.waitForFunction(
			() => window.livemap.clusters().length === 0 && window.livemap.drawn("VAN-29") !== null,
		);
	});

	test("extrapolates nothing for readers who prefer reduced motion", async () => {
		const page = await show(at(BERLIN.lon, BERLIN.lat, 15), { reducedMotion: "reduce" });
		await hub.publish({
			vehicle_id: "CALM-1",
			...BERLIN,
			timestamp: now() - 2,
			speed_kmh: 72,
			heading: 90,
		});
		const mark = await drawn(page, "CALM-1");
		const { x, y } = await page.evaluate(
			([lon, lat]) => window.livemap.project([lon, lat]),
			[BERLIN.lon, BERLIN.lat],
		);
		assert.ok(Math.hypot(mark.left - x, mark.top - y) < 1, "at its fix, though it has gone on");
	});

	test("asks the browser for no frame but those in which something changes", async () => {
		await hub.publish({ vehicle_id: "VAN-7", ...BERLIN });
		const page = await show(at(BERLIN.lon, BERLIN.lat));
		await drawn(page, "VAN-7");
		await rest(page);
		assert.equal(await page.evaluate(() => document.getAnimations().length), 0, "nothing is animated");
		const { asked, frames } = await page.evaluate(async () => {
			const { requestAnimationFrame } = window;
			let asked = 0;
			window.requestAnimationFrame = (callback) => (asked++, requestAnimationFrame(callback));
			const before = window.livemap.frames();
			while (window.livemap.frames() < before + 4) {
				await new Promise((resolve) => setTimeout(resolve, 50));
			}
			window.requestAnimationFrame = requestAnimationFrame;
			return { asked, frames: window.livemap.frames() - before };
		});
		assert.ok(asked <= 2 * frames + 2, `${asked} frames were asked for, ${frames} were drawn`);
	});

	test("works over HTTP/2", async () => {
		const other = await launch("plain", "--ignore-certificate-errors", "--disable-quic");
		try {
			await hub.publish({ vehicle_id: "VAN-7", ...BERLIN });
			const { page, complaints } = await open(hub, other, at(BERLIN.lon, BERLIN.lat));
			await drawn(page, "VAN-7");
			assert.equal(await page.evaluate(() => window.livemap.status().protocol), "h2");
			await says(page, "#connection", /Live HTTP\/2/);
			assert.deepEqual(complaints, []);
		} finally {
			await other.close();
		}
	});

	test("draws a vehicle on the other side of the antimeridian", async () => {
		await hub.publish(
			{ vehicle_id: "EAST", lon: 179.99, lat: -17 },
			{ vehicle_id: "WEST", lon: -179.99, lat: -17 },
		);
		const page = await show(at(-179.995, -17, 13));
		const [east, west] = [await drawn(page, "EAST"), await drawn(page, "WEST")];
		assert.ok(east.left < west.left && west.left - east.left < 300, `${east.left} ${west.left}`);
	});

	test("has a list with keyboard navigation, which renders only visible rows", async () => {
		const t = now();
		const id = (/** @type {number} */ i) => `VAN-${String(i).padStart(2, "0")}`;
		await hub.publish(
			...Array.from({ length: 60 }, (_, i) => ({
				vehicle_id: id(i + 1),
				lon: BERLIN.lon + (i % 8) * 0.002,
				lat: BERLIN.lat,
				timestamp: t - i / 10,
				speed_kmh: 0,
			})),
		);
		const page = await show(at(BERLIN.lon, BERLIN.lat) + `&vehicle=${id(60)}`);
		const list = page.locator("#list");
		const row = (/** @type {number} */ i) => page.locator(`[role=option][data-id="${id(i)}"]`);
		const active = () =>
			page.evaluate(
				() =>
					document.getElementById(
						document.getElementById("list")?.getAttribute("aria-activedescendant") ?? "",
					)?.dataset.id,
			);
		await row(60).waitFor(); // the address names it
		assert.ok((await page.locator("[role=option]").count()) < 40);
		await list.focus();
		assert.equal(await active(), id(60));
		for (const [key, to] of /** @type {[string, number][]} */ ([
			["Home", 1],
			["ArrowUp", 1],
			["ArrowDown", 2],
			["End", 60],
			["ArrowDown", 60],
			["ArrowUp", 59],
		])) {
			await page.keyboard.press(key);
			assert.equal(await active(), id(to), key);
			await row(to).click({ trial: true }); // it is visible
		}
		await page.keyboard.press("PageUp");
		const up = Number((await active())?.slice(4));
		assert.ok(up < 58 && up > 30, `${up}`);
		await page.keyboard.press("PageDown");
		assert.equal(await active(), id(59));
		await page.keyboard.press("Space");
		await says(page, "#details h2", new RegExp(`^${id(59)}$`));
		const there = await list.evaluate(
			(list, id) =>
				new Promise((resolve) => {
					list.addEventListener(
						"scroll",
						() => resolve(document.querySelector(`[data-id="${id}"]`) !== null),
						{ once: true },
					);
					list.scrollTop = 15 * 52;
				}),
			id(16),
		);
		assert.ok(there, "at once");
		assert.equal(await row(16).getAttribute("aria-posinset"), "16");
		assert.equal(await row(16).getAttribute("aria-setsize"), "60");
		assert.equal(await list.evaluate((list) => list.scrollHeight), 60 * 52);
		await page.locator("#sort").selectOption("heard");
		await hub.publish({ vehicle_id: id(42), ...BERLIN, speed_kmh: 0 });
		await list.evaluate((list) => (list.scrollTop = 0));
		await page.waitForFunction(
			(id) => document.querySelector(`[data-id="${id}"]`)?.getAttribute("aria-posinset") === "1",
			id(42),
		);
	});

	test("shows why its list is empty, and how to publish the first position", async () => {
		const page = await show(at(BERLIN.lon, BERLIN.lat));
		await says(page, "#empty-list", /No vehicle has reported yet. This publishes one:\s+curl /);
		const [command] = /curl .*$/.exec(await page.locator("#empty-list").innerText()) ?? [""];
		await promisify(exec)(command.replace(/^curl/, "curl --fail --silent"));
		await page.locator('[data-id="HELLO-1"]').waitFor();
		await page.locator("#empty-list").waitFor({ state: "hidden" });
		await hub.remove("HELLO-1");
		await hub.publish({ vehicle_id: "VAN-7", ...BERLIN, speed_kmh: 0 });
		await page.locator('[data-id="VAN-7"]').waitFor();
		await page.getByRole("radio", { name: /Moving/ }).check();
		await says(page, "#empty-list", /No vehicle is moving/);
	});

	test("has keyboard shortcuts that do not conflict", async () => {
		await hub.publish({ vehicle_id: "VAN-7", ...BERLIN, speed_kmh: 0 });
		const page = await show(at(BERLIN.lon, BERLIN.lat) + "&vehicle=VAN-7");
		const search = page.locator("#search");
		await page.keyboard.press("Control+/");
		assert.equal(await search.evaluate((search) => search === document.activeElement), false);
		await page.keyboard.press("/");
		await page.keyboard.type("a/b");
		assert.equal(await search.inputValue(), "a/b");
		await page.keyboard.press("Escape");
		assert.equal(await search.inputValue(), "");
		assert.ok(await page.locator("#details").isVisible(), "the first Escape is the search's");
		await page.keyboard.press("Escape");
		await page.locator("#details").waitFor({ state: "hidden" });
		await page.keyboard.press("Enter");
		assert.ok(await page.locator("#details").isHidden(), "nothing was searched for");
	});

	test("shows each vehicle's details, with working buttons", async () => {
		await hub.publish(
			{ vehicle_id: "VAN-7", ...BERLIN, speed_kmh: 10, driver: "Ada" },
			{ vehicle_id: "VAN-8", lon: BERLIN.lon + 0.01, lat: BERLIN.lat, speed_kmh: 20, driver: "Grace" },
		);
		const page = await show(at(BERLIN.lon, BERLIN.lat, 12) + "&vehicle=VAN-7");
		await says(page, "#details", /Speed 10.*Driver Ada/);
		await page.locator('[data-id="VAN-8"]').click();
		await says(page, "#details", /Speed 20.*Driver Grace/);
		assert.equal(await page.title(), "VAN-8 – Live Map");
		await page.evaluate(() => (location.hash = "#map=12/52.52/13.0&vehicle=VAN-8"));
		await page.waitForFunction(() => window.livemap.drawn("VAN-8") === null);
		await page.locator("#details .show").click();
		await drawn(page, "VAN-8");
		await rest(page);
		await page.waitForURL(/map=1\d[.\d]*\/52\.520\d*\/13\.41/);
		await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
		await page.locator("#details .share").click();
		await says(page, "#details .share", /^Copied$/);
		assert.equal(await page.evaluate(() => navigator.clipboard.readText()), page.url());
		await says(page, "#details .share", /^Copy link$/);
		await page.locator("#details .close").click();
		await page.locator("#details").waitFor({ state: "hidden" });
		assert.equal(await page.title(), "Live Map");
	});

	test("shows each fact once, even if two have the same label", async () => {
		await hub.publish({ vehicle_id: "VAN-7", ...BERLIN, battery_v: 12.6, battery_percent: 80 });
		const page = await show(at(BERLIN.lon, BERLIN.lat) + "&vehicle=VAN-7");
		await says(page, "#details", /Battery 12.6 V.*Battery 80 %/);
		await hub.publish({ vehicle_id: "VAN-7", ...BERLIN, battery_v: 12.5, battery_percent: 79 });
		await says(page, "#details", /Battery 12.5 V.*Battery 79 %/);
		await hub.publish({ vehicle_id: "VAN-7", ...BERLIN, battery_v: 12.4 });
		await says(page, "#details", /Battery 12.4 V/);
		assert.equal(await page.locator("#details dt", { hasText: "Battery" }).count(), 1);
	});

	test("shows no stale details of a vehicle that is gone", async () => {
		await hub.publish({ vehicle_id: "VAN-7", ...BERLIN, speed_kmh: 10 });
		const page = await show(at(BERLIN.lon, BERLIN.lat) + "&vehicle=VAN-7", {});
		await says(page, "#details", /Moving.*Speed 10/);
		await page.keyboard.press("Escape");
		await hub.remove("VAN-7");
		await page.waitForFunction(
			() => window.livemap.vehicles().length === 0 && !location.hash.includes("VAN-7"),
		);
		await page.evaluate((hash) => (location.hash = hash), at(BERLIN.lon, BERLIN.lat) + "&vehicle=VAN-7");
		await says(page, "#details .state", /knows no such vehicle/);
		// The browser reports the 404.
		opened[0].complaints = opened[0].complaints.filter((c) => !c.includes("/vehicles/VAN-7/track"));
	});

	test("selects the nearest marker within reach of a click", async () => {
		await hub.publish(
			{ vehicle_id: "VAN-7", ...BERLIN, speed_kmh: 0 },
			{ vehicle_id: "VAN-8", lon: BERLIN.lon + 0.0002, lat: BERLIN.lat, speed_kmh: 0 },
		); // 9 pixels
		const page = await showFull(at(BERLIN.lon + 0.003, BERLIN.lat, 15)); // beside the details
		const { left, top } = await drawn(page, "VAN-7");
		await drawn(page, "VAN-8");
		await page.locator("#map").hover({ position: { x: left, y: top + 10 } });
		await page.waitForFunction(
			() =>
				/** @type {HTMLElement} */ (document.querySelector(".maplibregl-canvas")).style.cursor ===
				"pointer",
		);
		await page.locator("#map").click({ position: { x: left + 9, y: top + 10 } });
		await says(page, "#details h2", /^VAN-8$/);
		await page.locator("#map").click({ position: { x: left, y: top + 10 } });
		await says(page, "#details h2", /^VAN-7$/);
		const limit = Date.now() + LIMIT;
		while (!near(await pixel(page, { left, top: top - 20 }), SELECTED)) {
			assert.ok(Date.now() < limit, "there is no ring around it");
		}
		await page.locator("#map").click({ position: { x: left, y: top + 60 } });
		await page.locator("#details").waitFor({ state: "hidden" });
	});

	test("keeps the markers in place when the window is resized, and turns dark", async () => {
		await hub.publish({ vehicle_id: "VAN-7", ...BERLIN, speed_kmh: 4 });
		const page = await showFull(at(BERLIN.lon, BERLIN.lat), SMALL);
		await drawn(page, "VAN-7");
		await page.setViewportSize({ width: 1000, height: 600 });
		await page.waitForFunction(
			([lon, lat]) => {
				const canvas = /** @type {HTMLCanvasElement} */ (document.querySelector("canvas.markers"));
				const { x, y } = window.livemap.project([lon, lat]);
				const mark = window.livemap.drawn("VAN-7");
				return (
					mark &&
					Math.hypot(mark.left - x, mark.top - y) < 1 &&
					canvas.width === document.getElementById("map")?.clientWidth
				);
			},
			[BERLIN.lon, BERLIN.lat],
		);
		const mark = await drawn(page, "VAN-7");
		assert.ok(near(await pixel(page, mark), BLUE));
		await page.emulateMedia({ colorScheme: "dark" });
		const limit = Date.now() + LIMIT;
		while (near(await pixel(page, mark), BLUE)) {
			assert.ok(Date.now() < limit, "it is as in the light");
		}
		assert.ok(near(await pixel(page, mark), [79, 141, 255]), `${await pixel(page, mark)}`);
	});

	test("draws the selected vehicle by itself, also in a crowd", async () => {
		await hub.publish(
			...Array.from({ length: 9 }, (_, i) => ({
				vehicle_id: `VAN-${i}`,
				lon: BERLIN.lon + i * 0.001,
				lat: BERLIN.lat,
			})),
		);
		const page = await show(at(BERLIN.lon, BERLIN.lat, 6) + "&vehicle=VAN-3");
		await drawn(page, "VAN-3");
		assert.deepEqual(await page.evaluate(() => window.livemap.clusters().map((c) => c.count)), [8]);
	});

	test("draws a vehicle in every copy of the world", async () => {
		await hub.publish({ vehicle_id: "VAN-7", lon: -140, lat: 0, speed_kmh: 4 });
		const page = await show(at(0, 0, 1), { viewport: { width: 1900, height: 800 } });
		const { left, top } = await drawn(page, "VAN-7");
		await rest(page);
		assert.ok(near(await pixel(page, { left, top }), BLUE), "once");
		assert.ok(near(await pixel(page, { left: left + 1024, top }), BLUE), "again");
	});

	test("keeps updating a selected vehicle that leaves the view", async () => {
		await hub.publish({ vehicle_id: "VAN-7", ...BERLIN, speed_kmh: 10 });
		const page = await show(at(BERLIN.lon, BERLIN.lat, 12));
		await page.locator('[data-id="VAN-7"]').click();
		await says(page, "#details", /Speed 10/);
		await hub.publish({ vehicle_id: "VAN-7", lon: 20, lat: 50, speed_kmh: 20 });
		await says(page, "#details", /Moving.*Speed 20.*Position 50.00000, 20.00000/);
	});

	test("writes an address that it can parse, beyond the antimeridian too", async () => {
		const page = await showFull(at(179, 0, 5));
		await rest(page);
		await page.mouse.move(900, 400);
		await page.mouse.down();
		await page.mouse.move(500, 400, { steps: 5 });
		await page.mouse.up();
		await page.waitForURL(/map=5\/[-.\d]+\/-17\d/);
		await page.evaluate(() => (location.hash = "#filter=parked"));
		await page.waitForURL(/map=5\/[-.\d]+\/-17\d.*filter=parked/);
	});

	test("moves to a vehicle that is selected from afar, or searched for", async () => {
		await hub.publish(
			{ vehicle_id: "VAN-7", ...BERLIN, speed_kmh: 50 },
			{ vehicle_id: "FAR-1", lon: -70, lat: 40, speed_kmh: 0 },
		);
		const page = await showFull(at(BERLIN.lon, BERLIN.lat, 5));
		await page.locator('[data-id="VAN-7"]').click();
		await page.waitForURL(/map=11\//);
		await page.waitForFunction(() => {
			// It is on the map, and the details, which cover the middle, do not cover it.
			const [map, details] = ["#map", "#details"].map((id) => document.querySelector(id));
			const mark = window.livemap.drawn("VAN-7");
			const { left, top } = map?.getBoundingClientRect() ?? { left: NaN, top: NaN };
			const at = mark && document.elementFromPoint(left + mark.left, top + mark.top);
			return at && map?.contains(at) && !details?.contains(at);
		});
		await page.getByRole("radio", { name: /Moving/ }).check();
		await page.locator("#search").fill("FAR-1");
		await says(page, "#empty-list", /Enter looks for/); // it does not move
		await page.locator("#search").press("Enter");
		await says(page, "#details h2", /^FAR-1$/);
		assert.ok(await page.getByRole("radio", { name: /All/ }).isChecked());
		assert.equal(await page.locator("#search").inputValue(), "");
		await drawn(page, "FAR-1");
	});

	test("has a list on a phone that opens upward, and closes on a selection", async () => {
		await hub.publish({ vehicle_id: "VAN-7", ...BERLIN, speed_kmh: 0 });
		const page = await show(at(BERLIN.lon, BERLIN.lat), {
			viewport: { width: 390, height: 844 },
			hasTouch: true,
			isMobile: true,
		});
		const handle = page.locator("#sheet");
		const row = page.locator('[data-id="VAN-7"]');
		assert.equal(await handle.getAttribute("aria-expanded"), "false");
		await handle.click();
		assert.equal(await handle.getAttribute("aria-expanded"), "true");
		await row.click();
		assert.equal(await handle.getAttribute("aria-expanded"), "false");
		await says(page, "#details h2", /^VAN-7$/);
		await page.locator("#search").focus();
		assert.equal(await handle.getAttribute("aria-expanded"), "true");
		await handle.click();
		assert.equal(await handle.getAttribute("aria-expanded"), "false");
	});

	test("shows all vehicles from any view", async () => {
		await hub.publish(
			{ vehicle_id: "VAN-7", ...BERLIN, speed_kmh: 0 },
			{ vehicle_id: "VAN-8", lon: 15, lat: 50, speed_kmh: 0 },
		);
		const page = await showFull(at(10, 50, 5));
		await drawn(page, "VAN-8");
		await page.locator("#overview").click();
		await page.waitForFunction(() => {
			const [a, b] = [window.livemap.drawn("VAN-7"), window.livemap.drawn("VAN-8")];
			return a && b && Math.hypot(a.left - b.left, a.top - b.top) > 300;
		});
	});

	test("shows all vehicles on both sides of the antimeridian", async () => {
		await hub.publish(
			{ vehicle_id: "EAST", lon: 179, lat: -17, speed_kmh: 0 },
			{ vehicle_id: "WEST", lon: -179, lat: -17, speed_kmh: 0 },
		);
		const page = await showFull();
		const [east, west] = [await drawn(page, "EAST"), await drawn(page, "WEST")];
		assert.ok(west.left - east.left > 300, `${east.left} ${west.left}`);
	});

	test("shows all vehicles, even from an empty view", async () => {
		await hub.publish({ vehicle_id: "VAN-7", ...BERLIN, speed_kmh: 0 });
		const page = await show(at(2, 48, 12));
		await page.locator('[data-id="VAN-7"]').waitFor();
		assert.deepEqual(await page.evaluate(() => window.livemap.vehicles()), []);
		await page.locator("#overview").click();
		await drawn(page, "VAN-7");
	});
});
