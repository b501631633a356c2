/**
 * The page on a phone: the sheet, targets for fingers, what it does with the part of the map that is free.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, afterEach, before, describe, test } from "node:test";
import { freePart, shiftOf } from "../src/map/free-part.js";
import { arrowTo } from "../src/panel/beyond.js";
import { contrast } from "./contrast.mjs";
import { drawn, Hub, LIMIT, open } from "./hub.mjs";

const BERLIN = { lon: 13.404954, lat: 52.520008 };
const TOUCH = { hasTouch: true, isMobile: true };
const UPRIGHT = { ...TOUCH, viewport: { width: 390, height: 844 } };
const ACROSS = { ...TOUCH, viewport: { width: 844, height: 390 } };
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** @typedef {import("playwright-core").Page} Page */

/** @type {Hub} */
let hub;
/** @type {import("playwright-core").Browser} */
let browser;
/** @type {import("./hub.mjs").Opened[]} */
let opened = [];

before(async () => {
	hub = await Hub.start();
	browser = await hub.browser();
	await hub.publish(
		{ vehicle_id: "VAN-7", ...BERLIN, speed_kmh: 0, note: "y".repeat(300), topics: ["kind:van"] },
		{ vehicle_id: "VAN-8", lon: 13.41, lat: 52.52, speed_kmh: 0, topics: ["kind:van"] },
		{ vehicle_id: "VAN-9", lon: 13.4, lat: 52.53, speed_kmh: 0, topics: ["kind:bus"] },
	);
});

after(async () => {
	await browser?.close();
	await hub?.end();
});

afterEach(async () => {
	const pages = opened.splice(0);
	await Promise.all(pages.map(({ page }) => page.context().close()));
	const complaints = pages.flatMap(({ complaints }) => complaints);
	assert.deepEqual(complaints, []);
});

/**
 * @param {import("playwright-core").BrowserContextOptions} options
 * @param {string} [more] of the address
 * @param {string} [place] zoom, latitude and longitude
 */
async function show(options, more = "", place = "13/52.52/13.405") {
	const one = await open(hub, browser, `#map=${place}${more}`, options);
	opened.push(one);
	await one.page.locator("[data-id]").first().waitFor({ state: "attached" });
	return one.page;
}

/** Moves a finger from where it is put down, over places, and lifts it. @param {Page} page */
async function finger(page) {
	const touch = await page.context().newCDPSession(page);
	/** @param {"touchStart" | "touchMove" | "touchEnd"} type @param {number} [x] @param {number} [y] */
	const send = (type, x, y) =>
		touch.send("Input.dispatchTouchEvent", {
			type,
			touchPoints: x === undefined ? [] : [{ x, y: /** @type {number} */ (y) }],
		});
	return {
		down: (/** @type {number} */ x, /** @type {number} */ y) => send("touchStart", x, y),
		move: (/** @type {number} */ x, /** @type {number} */ y) => send("touchMove", x, y),
		up: () => send("touchEnd"),
	};
}

/** The middle of an element. @param {Page} page @param {string} selector */
async function middle(page, selector) {
	const { x, y, width, height } = /** @type {{x: number, y: number, width: number, height: number}} */ (
		await page.locator(selector).boundingBox()
	);
	return { x: x + width / 2, y: y + height / 2 };
}

/** @param {Page} page @param {string} height */
const sheetIs = (page, height) => page.locator(`#panel[data-sheet=${height}]`).waitFor();

/** Waits until the sheet has come to rest. @param {Page} page */
const atRest = (page) =>
	page.evaluate(() =>
		Promise.all(document.getElementById("panel")?.getAnimations().map(({ finished }) => finished) ?? []),
	);

/** Elements that can be touched, which are too small. @param {Page} page */
const small = (page) =>
	page.evaluate(() => {
		const all = document.querySelectorAll("a, button, input, select, summary, [role=option]");
		return [...all]
			.filter((element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: false }))
			.filter((element) => !element.matches(".maplibregl-ctrl-attrib a, .skip")) // text; for keyboards
			.map((element) => {
				const label = element.matches("input[type=radio], input[type=checkbox]") && element.closest("label");
				const { width, height } = (label || element).getBoundingClientRect();
				return { element, width, height };
			})
			.filter(({ width, height }) => width > 1 && (width < 43.9 || height < 43.9))
			.map(({ element, width, height }) => `${element.outerHTML.slice(0, 90)}: ${width} x ${height}`);
	});

/**
 * The fields and buttons whose border does not contrast with what is around them by 3 to 1, as WCAG
 * 1.4.11 asks. A button without a border is told by its text.
 * @param {Page} page
 */
async function faint(page) {
	const edges = await page.evaluate(() => {
		/** The first ground under an element that is not transparent. @param {Element | null} element */
		const ground = (element) => {
			for (let at = element; at; at = at.parentElement) {
				const { backgroundColor } = getComputedStyle(at);
				if (backgroundColor !== "rgba(0, 0, 0, 0)") return backgroundColor;
			}
			return "none";
		};
		return [...document.querySelectorAll("input, select, button, .chip")]
			.filter((element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true }))
			.filter((element) => !element.matches(".maplibregl-ctrl-group *, [type=radio], [type=checkbox]"))
			.filter((element) => parseFloat(getComputedStyle(element).borderTopWidth) > 0)
			.map((element) => ({
				html: element.outerHTML.slice(0, 90),
				border: getComputedStyle(element).borderTopColor,
				around: ground(element.parentElement),
			}));
	});
	assert.ok(edges.length > 0);
	/** @param {string} rgb */
	const hex = (rgb) =>
		`#${(rgb.match(/\d+/g) ?? []).slice(0, 3).map((n) => Number(n).toString(16).padStart(2, "0")).join("")}`;
	return edges
		.map(({ html, border, around }) => ({ html, least: contrast(hex(border), hex(around)) }))
		.filter(({ least }) => least < 3)
		.map(({ html, least }) => `${least.toFixed(2)}: ${html}`);
}

/** What axe finds. @param {Page} page */
async function violations(page) {
	await page.evaluate(axe); // through the debugger, which the page's policy does not restrict
	const { violations } = await page.evaluate(() => /** @type {any} */ (globalThis).axe.run());
	return violations.map((/** @type {any} */ v) => [v.id, v.nodes.map((/** @type {any} */ n) => n.html)]);
}

/**
 * Waits until a vehicle is drawn in the middle of what is free above or beside a cover.
 * @param {Page} page
 * @param {string} id
 * @param {"above" | "beside"} where
 * @param {"details" | "panel"} cover
 */
const isCentred = (page, id, where, cover) =>
	page.waitForFunction(
		({ id, where, cover }) => {
			const mark = window.livemap.drawn(id);
			const [map, over] = ["map", cover].map((id) => document.getElementById(id)?.getBoundingClientRect());
			if (!mark || !map || !over) return false;
			const right = where === "beside" ? over.left : map.right;
			const bottom = where === "above" ? over.top : map.bottom;
			const [x, y] = [(right - map.left) / 2, (bottom - map.top) / 2];
			return Math.hypot(mark.left - x, mark.top - y) < 2;
		},
		{ id, where, cover },
	);

test("an arrow stands at the edge of what is free, towards what is beyond", () => {
	const part = { left: 0, top: 40, right: 400, bottom: 440 };
	/** @param {number} x @param {number} y */
	const to = (x, y) => Object.values(arrowTo({ x, y }, part)).map(Math.round);
	assert.deepEqual(to(200, -1000), [200, 66, 0]);
	assert.deepEqual(to(9999, 240), [374, 240, 90]);
	assert.deepEqual(to(200, 500), [200, 414, 180]);
	assert.deepEqual(to(-800, -760), [26, 66, -45]);
	assert.deepEqual(to(1200, 740), [374, 327, 117]);
	assert.deepEqual(arrowTo({ x: 9999, y: 240 }, part, 80), { x: 320, y: 240, turn: 90 });
});

test("the free part of the map is the largest beside its covers", () => {
	const map = { left: 0, top: 0, right: 400, bottom: 800 };
	const sheet = { left: 0, top: 500, right: 400, bottom: 900 };
	const band = { left: 0, top: 0, right: 400, bottom: 40 };
	const card = { left: 250, top: 40, right: 400, bottom: 800 };
	assert.deepEqual(freePart(map, []), map);
	assert.deepEqual(freePart(map, [sheet, band]), { left: 0, top: 40, right: 400, bottom: 500 });
	assert.deepEqual(freePart(map, [band, card]), { left: 0, top: 40, right: 250, bottom: 800 });
	assert.deepEqual(shiftOf(map, [band]), { x: 0, y: 0 }, "the middle is free");
	assert.deepEqual(shiftOf(map, [{ ...sheet, top: 495 }]), { x: 0, y: -152.5 }, "near to the middle");
	assert.deepEqual(shiftOf(map, [{ ...sheet, top: 496 }]), { x: 0, y: 0 });
	assert.deepEqual(shiftOf(map, [band, card]), { x: -75, y: 20 });
});

describe("the page on a phone", { timeout: 20 * LIMIT }, () => {
	test("has a sheet of three heights for taps, keys and fingers", async () => {
		const page = await show(UPRIGHT);
		const handle = page.locator("#sheet");
		await sheetIs(page, "peek");
		for (const [key, height] of [
			...[["ArrowUp", "half"], ["ArrowUp", "full"], ["ArrowUp", "full"], ["ArrowDown", "half"]],
			...[["Home", "peek"], ["ArrowDown", "peek"], ["End", "full"], ["Enter", "peek"], ["Enter", "half"]],
		]) {
			await handle.press(key);
			await sheetIs(page, height);
			assert.equal(await handle.getAttribute("aria-expanded"), String(height !== "peek"));
			const label = height === "full" ? "Make the panel small" : "Make the panel larger";
			assert.equal(await handle.getAttribute("aria-label"), label);
		}
		const touch = await finger(page);
		/** Drags by the connection's line. @param {number} y to where @param {string} height what comes of it */
		const drag = async (y, height) => {
			await atRest(page);
			const { x, y: from } = await middle(page, "#connection");
			await touch.down(x, from);
			await touch.move(x, (from + y) / 2);
			await touch.move(x, y);
			assert.match((await page.locator("#panel").getAttribute("style")) ?? "", /height/, "it is at the finger");
			await page.waitForFunction(() => new Promise((resolve) => setTimeout(resolve, 150))); // no flick
			await touch.up();
			await sheetIs(page, height);
			assert.equal(await page.locator("#panel").getAttribute("style"), "");
		};
		await drag(160, "full");
		await drag(440, "half");
		await drag(740, "peek");
		await drag(500, "half");
		await page.locator("#search").focus();
		await sheetIs(page, "full");
	});

	test("moves the sheet at once for readers who prefer reduced motion", async () => {
		for (const [reducedMotion, animations] of /** @type {["reduce" | "no-preference", number][]} */ ([
			["reduce", 0],
			["no-preference", 1],
		])) {
			const page = await show({ ...UPRIGHT, reducedMotion });
			const running = await page.evaluate(() => {
				document.getElementById("sheet")?.click();
				return document.getElementById("panel")?.getAnimations().length;
			});
			assert.equal(running, animations, reducedMotion);
		}
	});

	test("has targets of 44 pixels and more, and nothing that axe finds", async () => {
		for (const [options, colorScheme] of /** @type {[typeof UPRIGHT, "light" | "dark"][]} */ ([
			[UPRIGHT, "light"],
			[ACROSS, "dark"],
		])) {
			const page = await show({ ...options, colorScheme }, "&group=kind:van&near=52.52/13.4/Berlin");
			const name = options === UPRIGHT ? "upright" : "across";
			/** @param {string} state */
			const check = async (state) => {
				await atRest(page);
				assert.deepEqual(await faint(page), [], `${name}: ${state}`);
				assert.deepEqual(await small(page), [], `${name}: ${state}`);
				assert.deepEqual(await violations(page), [], `${name}: ${state}`);
			};
			await check("as it opens");
			await page.evaluate(() => {
				document.getElementById("sheet")?.click();
				document.getElementById("sheet")?.click();
			});
			await page.locator("#groups summary").click();
			await check("the list");
			await page.locator("#search").fill("ber");
			await page.locator("#suggestions button").first().waitFor();
			await check("suggestions");
			await page.locator("#search").fill("");
			await page.locator("#options summary").click();
			await page.locator("#colour option").first().waitFor({ state: "attached" });
			await check("options");
			await page.getByRole("button", { name: "Choose several vehicles" }).click();
			await page.locator("#chosen").waitFor();
			await check("choosing");
			await page.getByRole("button", { name: "Choose none" }).click();
			await page.locator('[data-id="VAN-7"]').click();
			await page.locator("#details .more").waitFor();
			await check("details");
		}
	});

	test("keeps a followed vehicle in the middle of what is free", async () => {
		const upright = await show(UPRIGHT, "&vehicle=VAN-7&follow");
		await isCentred(upright, "VAN-7", "above", "details");
		await upright.locator("#sheet").press("ArrowUp");
		await isCentred(upright, "VAN-7", "above", "panel");
		await upright.setViewportSize(ACROSS.viewport);
		await isCentred(upright, "VAN-7", "beside", "details");
	});

	test("shows a vehicle that its own details would cover", async () => {
		const page = await show(UPRIGHT);
		const { left, top } = await drawn(page, "VAN-7");
		await page.evaluate(() => (location.hash = "#map=13/52.535/13.405"));
		await page.waitForFunction((top) => (window.livemap.drawn("VAN-7")?.top ?? 0) > top + 50, top);
		const at = await drawn(page, "VAN-7");
		assert.ok(Math.abs(at.left - left) < 1);
		await page.locator("#map").click({ position: { x: at.left, y: at.top } });
		await page.locator("#details").waitFor();
		await isCentred(page, "VAN-7", "above", "details");
	});

	test("opens a link to a vehicle that its details would cover with the vehicle in sight", async () => {
		// As a desktop shares it: the vehicle is below the middle of the map.
		const covered = await show(UPRIGHT, "&vehicle=VAN-7", "13/52.54/13.405");
		await isCentred(covered, "VAN-7", "above", "details");
		const beside = await show(UPRIGHT, "&vehicle=VAN-7", "13/52.52/13.445"); // the phone is narrower
		await isCentred(beside, "VAN-7", "above", "details");
		assert.match(beside.url(), /#map=13\//, "the zoom is the sender's");
	});

	test("points at the selected vehicle where it is out of sight, and goes there", async () => {
		const page = await show(UPRIGHT, "&vehicle=VAN-7");
		await page.evaluate(() => (location.hash = "#map=13/52.42/13.405&vehicle=VAN-7"));
		const arrow = page.getByRole("button", { name: /^Show VAN-7, 1[01] km N of the middle of the map$/ });
		await arrow.waitFor();
		assert.deepEqual(await small(page), []);
		const { y } = (await arrow.boundingBox()) ?? { y: NaN };
		assert.ok(y < 60, `${y}`);
		await arrow.tap();
		await isCentred(page, "VAN-7", "above", "details");
		await arrow.waitFor({ state: "hidden" });
	});

	test("has its actions in one line across, whatever they say", async () => {
		const page = await show(ACROSS, "&vehicle=VAN-7");
		await page.locator("#details .share").waitFor();
		const tops = await page
			.locator("#details .actions button")
			.evaluateAll((all) => all.map((button) => button.getBoundingClientRect().top));
		assert.equal(new Set(tops).size, 1, `${tops}`);
	});

	test("chooses several with a finger", async () => {
		const page = await show(UPRIGHT);
		await page.locator("#sheet").press("End");
		await sheetIs(page, "full");
		await atRest(page);
		const touch = await finger(page);
		const { x, y } = await middle(page, '[data-id="VAN-8"]');
		await touch.down(x, y);
		await page.locator("#chosen", { hasText: "1 chosen" }).waitFor(); // while the finger rests
		await touch.up();
		await page.locator('[data-id="VAN-7"]').tap();
		await page.locator("#chosen", { hasText: "2 chosen" }).waitFor();
		assert.equal(await page.locator("#details").isVisible(), false, "nothing is selected");
		await page.locator('[data-id="VAN-7"]').tap();
		await page.locator('[data-id="VAN-9"]').tap();
		await page.getByRole("button", { name: "Show only these" }).tap();
		await page.waitForURL(/only=VAN-8&only=VAN-9/);
		assert.equal(await page.locator("#chosen").isVisible(), false);
		await page.locator('[data-id="VAN-9"]').tap();
		await page.locator("#details h2", { hasText: "VAN-9" }).waitFor(); // taps select again
	});
});
