/**
 * What a dispatcher does with the page: selects, searches, chooses groups, isolates, exports, goes back.
 */
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { drawn, Hub, LIMIT, now, open } from "./hub.mjs";

const BERLIN = { lon: 13.404954, lat: 52.520008 };

/** @type {Hub} */
let hub;
/** @type {import("playwright-core").Browser} */
let browser;
/** @type {import("./hub.mjs").Opened[]} */
let opened = [];

before(async () => {
	hub = await Hub.start();
	browser = await hub.browser();
});

after(async () => {
	await browser?.close();
	await hub?.end();
});

// After every test no page has complained, and the hub is empty.
afterEach(async () => {
	const pages = opened.splice(0);
	await Promise.all(pages.map(({ page }) => page.context().close()));
	await hub.clear();
	assert.deepEqual(
		pages.flatMap(({ complaints }) => complaints),
		[],
	);
});

/** @param {string} [hash] @param {import("playwright-core").BrowserContextOptions} [options] */
async function show(hash = "", options) {
	const one = await open(hub, browser, hash, options);
	opened.push(one);
	return one.page;
}

/** Publishes more than an argument of curl holds. @param {object[]} positions */
const post = (positions) =>
	fetch(`${hub.internal}/publish`, {
		method: "POST",
		headers: { "Content-Type": "application/json" },
		body: JSON.stringify(positions),
	});

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

/** Counts the bytes of a page's requests by URL. @param {import("playwright-core").Page} page */
async function meter(page) {
	const network = await page.context().newCDPSession(page);
	/** @type {Map<string, string>} */
	const urls = new Map();
	/** @type {Map<string, number>} */
	const bytes = new Map();
	network.on("Network.requestWillBeSent", ({ requestId, request }) => urls.set(requestId, request.url));
	network.on("Network.dataReceived", ({ requestId, dataLength }) => {
		const url = decodeURIComponent(urls.get(requestId) ?? "the map's stream"); // was open before
		bytes.set(url, (bytes.get(url) ?? 0) + dataLength);
	});
	await network.send("Network.enable");
	return bytes;
}

describe("a dispatcher", { timeout: 30 * LIMIT }, () => {
	test("selects and searches without more of the fleet's bytes", async () => {
		/** @param {number} round */
		const publish = (round) =>
			post(
				Array.from({ length: 2000 }, (_, i) => ({
					vehicle_id: `VAN-${i}`,
					lon: 13 + (i % 50) * 0.02,
					lat: 52 + round * 0.001 + Math.floor(i / 50) * 0.02,
					timestamp: now(),
					speed_kmh: 30,
					driver: `Driver ${i}`,
				})),
			);
		await publish(0);
		const page = await show("#map=6/52.5/13.5");
		await page.waitForFunction(() => window.livemap.vehicles().length === 2000);
		await page.locator("#search").fill("driver 777");
		await page.locator('[data-id="VAN-777"]').waitFor();
		const bytes = await meter(page);
		await page.locator("#search").fill("van-12");
		await says(page, "#summary", /^111 of 2,000 vehicles/);
		await page.evaluate(() => (location.hash += "&vehicle=VAN-1234"));
		await says(page, "#details", /Driver 1234/);
		/** @param {number} lat of VAN-1234's newest position */
		const arrived = (lat) =>
			page.waitForFunction((lat) => {
				const newest = window.livemap.vehicles().map((v) => v.geometry.coordinates[1]);
				return newest.length === 2000 && Math.min(...newest) >= lat;
			}, lat);
		for (const round of [1, 2, 3]) {
			await publish(round);
			await arrived(52 + round * 0.001 - 1e-9);
		}
		const others = [...bytes.keys()].filter((url) => /\/(stream|snapshot)\?/.test(url));
		assert.ok(others.length > 0, "the selected vehicle has a stream");
		for (const url of others) {
			assert.match(url, /\?topic=vehicle:VAN-1234(&|$)/);
		}
		const map = bytes.get("the map's stream") ?? 0;
		const more = [...bytes].filter(([url]) => /\/(stream|snapshot|vehicles)\b/.test(url));
		const sum = more.reduce((sum, [, n]) => sum + n, 0);
		assert.ok(map > 3 * 2000 * 100, `${map}`);
		assert.ok(sum < map / 10, `${sum} beside ${map}: ${JSON.stringify(more)}`);
	});
});
