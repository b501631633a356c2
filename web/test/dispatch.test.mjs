/**
 * What a dispatcher does with the page: selects, searches, chooses groups, isolates, exports, goes back.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, afterEach, before, describe, test } from "node:test";
import { drawn, Hub, LIMIT, now, open, rest } from "./hub.mjs";

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

	test("opens the row that is clicked first in a list that was scrolled", async () => {
		await hub.publish(
			...Array.from({ length: 60 }, (_, i) => ({
				vehicle_id: `BUS-${String(i + 1).padStart(3, "0")}`,
				lon: BERLIN.lon + (i % 8) * 0.002,
				lat: BERLIN.lat,
				speed_kmh: 0,
			})),
		);
		for (const options of [{}, { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true }]) {
			const page = await show(`#map=14/${BERLIN.lat}/${BERLIN.lon}`, options);
			await page.locator("[data-id]").first().waitFor({ state: "attached" });
			if (options.viewport) {
				await page.emulateMedia({ reducedMotion: "reduce" });
				await page.locator("#sheet").press("End");
				await page.locator("#panel[data-sheet=full]").waitFor();
			}
			const list = page.locator("#list");
			await list.evaluate((list) => list.scrollTo({ top: 31 * 52 }));
			const row = page.locator("[data-id=BUS-034]");
			const { x, y } = /** @type {{x: number, y: number}} */ (await row.boundingBox());
			if (options.viewport) {
				await page.touchscreen.tap(x + 60, y + 20);
			} else {
				await page.mouse.click(x + 60, y + 20);
			}
			await page.locator("[data-id=BUS-034][aria-selected=true]").waitFor({ state: "attached" });
			if (!options.viewport) {
				assert.equal(await list.evaluate((list) => list.scrollTop), 31 * 52);
			} // on a phone the sheet is low now
			await says(page, "#details h2", /^BUS-034$/);
		}
	});

	test("sees the row of a link, another list from its first row, and no card of an old place", async () => {
		await hub.publish(
			...Array.from({ length: 60 }, (_, i) => ({
				vehicle_id: `BUS-${String(i + 1).padStart(3, "0")}`,
				lon: BERLIN.lon + (i > 30 ? 3 : (i % 8) * 0.002),
				lat: BERLIN.lat,
				speed_kmh: 0,
			})),
			{ vehicle_id: "CAR-1", ...BERLIN, lat: BERLIN.lat + 0.004, speed_kmh: 0 },
		);
		const page = await show(`#map=14/${BERLIN.lat}/${BERLIN.lon}&vehicle=BUS-060`);
		const linked = page.locator("[data-id=BUS-060]");
		await says(page, "#summary", /^61 vehicles$/);
		await linked.waitFor();
		const list = page.locator("#list");
		await page.waitForFunction(() => {
			const list = document.getElementById("list")?.getBoundingClientRect();
			const row = document.querySelector("[data-id=BUS-060]")?.getBoundingClientRect();
			return list && row && row.top >= list.top && row.bottom <= list.bottom;
		});
		const top = () => list.evaluate((list) => list.scrollTop);
		assert.ok((await top()) > 0);
		await page.locator("#sort").selectOption("distance");
		assert.equal(await top(), 0, "another order");
		for (const q of ["bus", ""]) {
			await list.evaluate((list) => list.scrollTo({ top: 500 }));
			await page.locator("#search").fill(q);
			assert.equal(await top(), 0, `search for "${q}"`);
		}

		const { left, top: y } = await drawn(page, "CAR-1");
		await page.locator("#map").hover({ position: { x: left, y } });
		await page.locator("#hover").waitFor();
		await page.locator("#search").fill("bus-060");
		await page.locator("#search").press("Enter");
		await drawn(page, "BUS-060");
		assert.ok(await page.locator("#hover").isHidden());
	});

	test("is told that nothing of the list is in view, and goes there", async () => {
		await hub.publish(
			{ vehicle_id: "BUS-1", ...BERLIN, speed_kmh: 0, topics: ["depot:berlin"] },
			{ vehicle_id: "BUS-2", lon: 11.57, lat: 48.13, speed_kmh: 0, topics: ["depot:munich"] },
			{ vehicle_id: "BUS-3", lon: 11.58, lat: 48.14, speed_kmh: 0, topics: ["depot:munich"] },
		);
		const page = await show(`#map=14/${BERLIN.lat}/${BERLIN.lon}`);
		await says(page, "#summary", /^3 vehicles$/);
		const note = page.locator("#elsewhere");
		assert.ok(await note.isHidden(), "nothing is chosen");
		await page.locator("#groups summary").click();
		await page.locator('#groups [data-topic="depot:berlin"]').click();
		await says(page, "#summary", /^1 vehicle$/);
		assert.ok(await note.isHidden(), "one is in view");
		await page.locator('#groups [data-topic="depot:berlin"]').click();
		await page.locator('#groups [data-topic="depot:munich"]').click();
		await note.getByText("None of the 2 vehicles of the list is in view.").waitFor();
		const before = await page.evaluate(() => location.hash.match(/map=[^&]*/)?.[0]);
		assert.match(before ?? "", /map=14/, "the map has not moved by itself");
		await note.getByRole("button", { name: "Show them" }).click();
		await drawn(page, "BUS-2");
		await drawn(page, "BUS-3");
		await note.waitFor({ state: "hidden" });
	});

	test("shares the view that is seen, though the card covers the vehicle", async () => {
		const covered = { lon: BERLIN.lon + 0.011, lat: BERLIN.lat + 0.007 };
		await hub.publish({ vehicle_id: "BUS-27", ...covered, speed_kmh: 0 });
		const link = `#map=14/${BERLIN.lat}/${BERLIN.lon}&vehicle=BUS-27`;
		const page = await show(link);
		await says(page, "#details", /Parked/);
		const { left, top } = await drawn(page, "BUS-27");
		await rest(page);
		const map = /** @type {{x: number, y: number}} */ (await page.locator("#map").boundingBox());
		const card = await page.locator("#details").boundingBox();
		const at = { x: map.x + left, y: map.y + top };
		assert.ok(card && at.x > card.x && at.x < card.x + card.width && at.y < card.y + card.height);
	});

	test("reads every control over the list, and sees them under the menu", async () => {
		await hub.publish({ vehicle_id: "VAN-1", ...BERLIN, speed_kmh: 0 });
		const page = await show(`#map=14/${BERLIN.lat}/${BERLIN.lon}`);
		const cut = await page.locator("#sort").evaluate((sort) => {
			const text = document.body.appendChild(document.createElement("span"));
			const { font, paddingInline } = getComputedStyle(sort);
			text.style.cssText = `position: absolute; white-space: nowrap; font: ${font}`;
			return [.../** @type {HTMLSelectElement} */ (sort).options]
				.map((option) => {
					text.textContent = option.textContent;
					return [option.textContent, text.offsetWidth + 2 * parseFloat(paddingInline) + 16];
				})
				.filter(([, width]) => Number(width) > sort.clientWidth);
		});
		assert.deepEqual(cut, []);
		await page.locator("#options summary").click();
		const row = await page.locator(".order").boundingBox();
		const menu = await page.locator("#options > div").boundingBox();
		assert.ok(row && menu && menu.y >= row.y + row.height - 2, JSON.stringify([row, menu]));
	});

	test("chooses groups, searches, isolates and goes back, on the list and the map alike", async () => {
		await hub.publish(
			{
				...{ vehicle_id: "BUS-1", ...BERLIN, speed_kmh: 30, driver: "Zoë" },
				...{ expect_within_s: 3600, topics: ["kind:bus", "depot:7"] },
			},
			{ vehicle_id: "BUS-2", lon: 13.42, lat: 52.52, speed_kmh: 20, topics: ["kind:bus", "depot:8"] },
			{ vehicle_id: "BUS-3", lon: 13.43, lat: 52.52, speed_kmh: 10, topics: ["kind:bus", "depot:8"] },
			{ vehicle_id: "TRAM-1", lon: 13.41, lat: 52.53, speed_kmh: 40, topics: ["kind:tram", "depot:7"] },
			{ vehicle_id: "FAR-1", lon: 11.25, lat: 43.77, speed_kmh: 0, topics: ["kind:van"] },
		);
		const page = await show("#map=12/52.52/13.41");
		/** What the list and the map show. @param {string[]} ids */
		const shows = async (...ids) => {
			await page.waitForFunction(
				(ids) => {
					const rows = [...document.querySelectorAll("[role=option]")];
					const at = (/** @type {Element} */ row) => Number(row.getAttribute("aria-posinset"));
					const listed = rows.sort((a, b) => at(a) - at(b)).map((row) => row.getAttribute("data-id"));
					const near = ["BUS-1", "BUS-2", "BUS-3", "TRAM-1"];
					return (
						listed.join() === ids.join() &&
						near.every((id) => (window.livemap.drawn(id) !== null) === ids.includes(id))
					);
				},
				ids,
				{ timeout: LIMIT },
			);
		};
		const group = (/** @type {string} */ topic) => page.locator(`#groups [data-topic="${topic}"]`);
		const all = ["BUS-1", "BUS-2", "BUS-3", "FAR-1", "TRAM-1"];
		await shows(...all);
		await says(page, "#list", /BUS-1 30 km\/h (now|\d+ \w+ ago) Zoë · Berlin/);
		await page.locator("#groups summary").click();
		await group("kind:bus").click();
		await shows("BUS-1", "BUS-2", "BUS-3");
		await says(page, "#filter", /All 3 /);
		await page.waitForURL(/group=kind%3Abus/);
		await group("depot:7").click(); // of another kind
		await shows("BUS-1");
		await page.goBack();
		await shows("BUS-1", "BUS-2", "BUS-3");
		assert.equal(await group("depot:7").getAttribute("aria-pressed"), "false");
		await page.locator("#search").fill("depot 8");
		await page.getByRole("button", { name: "Group depot: 8" }).click();
		await shows("BUS-2", "BUS-3");
		await page.getByRole("button", { name: "Remove: depot: 8" }).click();
		await page.getByRole("button", { name: "Remove: kind: bus" }).click();
		await shows(...all);

		await page.locator("#search").fill("zoe 30");
		await shows("BUS-1");
		await page.locator("#search").fill("");
		await shows(...all);

		await page.locator('[data-id="BUS-2"]').click();
		await says(page, "#details h2", /^BUS-2$/);
		await says(page, "#details", /Position 52\.52000, 13\.42000 Place Berlin/);
		await page.locator('[data-id="BUS-3"]').click();
		await says(page, "#details h2", /^BUS-3$/);
		await page.goBack();
		await says(page, "#details h2", /^BUS-2$/);
		await page.goForward();
		await says(page, "#details h2", /^BUS-3$/);

		await page.locator("#list").focus();
		await page.keyboard.press("Shift+ArrowDown");
		await says(page, "#chosen", /^2 chosen/);
		await page.keyboard.press("Control+Home");
		await page.keyboard.press("Control+Space");
		await says(page, "#chosen", /^3 chosen/);
		await page.locator('[data-id="BUS-3"]').click({ modifiers: ["Control"] });
		await says(page, "#chosen", /^2 chosen/);
		await page.keyboard.press("i");
		await page.keyboard.press("Escape"); // the selected vehicle is drawn in any case
		await shows("BUS-1", "FAR-1");
		await page.waitForURL(/only=FAR-1&only=BUS-1/);
		await says(page, "#filter", /All 2 /);
		await page.goBack();
		await page.goBack();
		await says(page, "#details h2", /^BUS-3$/);
		await shows(...all);

		const downloads = [page.waitForEvent("download"), page.locator("#options summary").click()];
		await page.getByRole("button", { name: "GeoJSON" }).click();
		const [download] = /** @type {[import("playwright-core").Download, void]} */ (await Promise.all(downloads));
		const { features } = JSON.parse(await readFile(await download.path(), "utf8"));
		assert.deepEqual(features.map((/** @type {any} */ f) => f.id), all);
		assert.match(download.suggestedFilename(), /^vehicles-.*\.geojson$/);
		assert.equal(await page.locator("#options").getAttribute("open"), null, "what it covered is there again");
		await page.locator("#options summary").click();
		await page.getByRole("checkbox", { name: "Driver" }).uncheck();
		await says(page, "#list", /BUS-1 30 km\/h (now|\d+ \w+ ago) Berlin/);
		await page.waitForURL(/cols=activity,heard,label,line,place/);
		await page.locator("select[name=speed]").selectOption("mph");
		await says(page, "#list", /BUS-1 19 mph/);
		await page.keyboard.press("Escape");
		await page.keyboard.press("Escape");
		await page.locator("#details").waitFor({ state: "hidden" });
		await page.reload();
		await says(page, "#list", /BUS-1 19 mph (now|\d+ \w+ ago) Berlin/);
	});

	test("finds places, measures, sees the keys, and hangs the map on a wall", async () => {
		await hub.publish(
			{ vehicle_id: "BUS-1", ...BERLIN, expect_within_s: 3600, speed_kmh: 30 },
			{ vehicle_id: "FAR-1", lon: 11.25, lat: 43.77, speed_kmh: 0 },
		);
		const page = await show("#map=12/52.52/13.41", {
			permissions: ["geolocation"],
			geolocation: { longitude: 2.35, latitude: 48.85 },
		});
		const first = page.locator('[role=option][aria-posinset="1"]');
		await says(page, "#list", /BUS-1 .*Berlin/);
		await page.locator("#search").fill("florence");
		await page.getByRole("button", { name: "Nearest to Florence, Italy" }).click();
		await page.waitForURL(/map=12\/43\.7.*sort=distance.*near=43.77\/11.25\/Florence/);
		assert.equal(await first.getAttribute("data-id"), "FAR-1");
		await page.locator("#search").fill("52.5, 13.4");
		await page.locator("#search").press("Enter");
		await page.waitForURL(/near=52.5\/13.4\//);
		// A pin stands where the distances are from.
		await page.waitForFunction(() => {
			const { x, y } = window.livemap.project([13.4, 52.5]);
			const at = document.querySelector(".overlay .pin")?.getAttribute("transform");
			const [left, top] = (at?.match(/[-\d.]+/g) ?? []).map(Number);
			return Math.hypot(left - x, top - y) < 1;
		});
		await says(page, "#list", /BUS-1 .* away · Berlin.* FAR-1/);
		await page.locator("#search").fill("my position");
		await page.locator("#search").press("Enter");
		await says(page, "#chips", /Nearest to my position/);
		await page.waitForFunction(() => document.querySelector(".overlay .position") !== null);
		await page.getByRole("button", { name: /^Remove: Nearest/ }).click();
		assert.equal(await page.locator(".overlay .pin").count(), 0);
		assert.equal(await page.locator("#sort").inputValue(), "name");

		// What moved out of the stream's view is where the hub has it now, not where it was when that was read.
		await page.evaluate(() => (location.hash = "#map=12/52.52/13.41"));
		await drawn(page, "BUS-1");
		await page.route(/\/snapshot\?(?!.*bbox)/, (route) => route.fulfill({ status: 304 })); // no reading of all
		await hub.publish({ vehicle_id: "FAR-1", lon: 11.35, lat: 43.77, speed_kmh: 0 });
		await page.locator("#map").click({ button: "right", position: { x: 400, y: 300 } });
		await page.getByRole("button", { name: "Nearest vehicles to here" }).click();
		await says(page, "#list", /BUS-1 .* away · Berlin.* FAR-1 .* away · [\d.]+ km NE of Bagno a Ripoli/);
		await page.unrouteAll();
		await page.waitForURL(/sort=distance.*near=52\.5\d*\/13\.\d+/);
		await page.locator("#map").click({ button: "right", position: { x: 400, y: 300 } });
		await page.locator("#here").waitFor();
		await page.keyboard.press("Escape");
		await page.locator("#here").waitFor({ state: "hidden" });

		await page.evaluate(() => (location.hash = "#map=11/52.52/13.41"));
		await drawn(page, "BUS-1");
		await rest(page);
		await page.locator("#map > :not(.unused) canvas[tabindex]").focus();
		await page.keyboard.press("m");
		const [from, to] = [{ x: 200, y: 200 }, { x: 500, y: 200 }];
		await page.locator("#map").click({ position: from });
		await page.locator("#map").click({ position: to });
		await says(page, "#measured", /^[\d.]+ km$/);
		assert.equal(await page.locator(".overlay .measured").count(), 2);
		await page.keyboard.press("Enter"); // the middle of the map
		assert.equal(await page.locator(".overlay .measured").count(), 3);
		await page.keyboard.press("Escape");
		await page.locator("#measured").waitFor({ state: "hidden" });
		await page.keyboard.press("?");
		await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
		await page.keyboard.press("Escape");
		await page.locator("#help").waitFor({ state: "hidden" });

		await page.goto(`${hub.public}/?kiosk#map=12/52.52/13.41`);
		await drawn(page, "BUS-1");
		assert.equal(await page.locator("#panel").isVisible(), false);
		await says(page, "#legend", /Moving 1 Parked 1 Silent 0/);
		assert.equal(await page.locator("#map").evaluate((map) => map.clientWidth === innerWidth), true);
	});
});
