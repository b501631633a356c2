/**
 * What a reader sees at first: signs, labels, clusters, stacks, the card under the pointer, the legend, and
 * the first view.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, afterEach, before, describe, test } from "node:test";
import { drawn, Hub, LIMIT, now, open, pixel, rest } from "./hub.mjs";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const FLORENCE = { lon: 11.2558, lat: 43.7696 };
const AMBER = [245, 158, 11];

/** @type {Hub} */
let hub;
/** @type {import("playwright-core").Browser} */
let browser;

before(async () => {
	hub = await Hub.start();
	browser = await hub.browser();
});
after(async () => {
	await browser?.close();
	await hub?.end();
});
afterEach(async () => {
	await hub.clear();
	await Promise.all(browser.contexts().map((context) => context.close()));
});

/** @param {string} hash @param {import("playwright-core").BrowserContextOptions} [options] */
async function show(hash, options) {
	const { page, complaints } = await open(hub, browser, hash, options);
	return Object.assign(page, { complaints });
}

/** @param {string} id @param {number} east metres @param {number} north @param {{}} [more] */
const at = (id, east, north, more) => ({
	vehicle_id: id,
	lon: FLORENCE.lon + east / 80_400,
	lat: FLORENCE.lat + north / 111_195,
	speed_kmh: 0,
	...more,
});
const CITY = `#map=15/${FLORENCE.lat}/${FLORENCE.lon}`;
/** So many vehicles at one spot. @param {number} count */
const stack = (count) =>
	Array.from({ length: count }, (_, i) => at(`VAN-${i}`, 0, 0, { driver: "Ada Conti" }));

/** @param {number[]} a @param {number[]} b */
const near = (a, b) => a.every((c, i) => Math.abs(c - b[i]) < 40);

/**
 * The violations that axe finds.
 * @param {import("playwright-core").Page} page
 * @param {string[]} [exclude] selectors
 */
async function violations(page, exclude = []) {
	await page.evaluate(axe); // through the debugger, which the page's policy does not restrict
	const { violations } = await page.evaluate(
		(exclude) => /** @type {any} */ (globalThis).axe.run({ exclude }),
		exclude,
	);
	return violations.map((/** @type {any} */ v) => [
		v.id,
		v.nodes.map((/** @type {any} */ n) => n.failureSummary),
	]);
}

describe("at first sight", { timeout: 15 * LIMIT }, () => {
	test("labels avoid each other, and a silent vehicle is amber, and on top", async () => {
		const t = now();
		await hub.publish(
			...Array.from({ length: 30 }, (_, i) =>
				at(`TRUCK-${i}`, (i % 6) * 120 - 300, Math.floor(i / 6) * 60 - 100),
			),
			at("4f3c2a1b-77aa-4c1d-9e8d-0123456789ab", -420, 0),
			at("Line 12 to Porta al Prato", 500, 200),
			...["PARKED-1", "PARKED-2"].map((id) => at(id, 0, -300)),
			at("QUIET", 1, -300, { timestamp: t - 4000 }),
		);
		const page = await show(CITY);
		await page.waitForFunction(() => window.livemap.labels().length > 20);
		const labels = await page.evaluate(() => window.livemap.labels());
		for (const [i, a] of labels.entries()) {
			for (const b of labels.slice(i + 1)) {
				const apart = a.right < b.left || b.right < a.left || a.bottom < b.top || b.bottom < a.top;
				assert.ok(apart, `${a.id} and ${b.id}`);
			}
		}
		const lines = new Map(labels.map((label) => [label.id, label.lines]));
		assert.deepEqual(lines.get("4f3c2a1b-77aa-4c1d-9e8d-0123456789ab"), ["4f3c2a1b-7…56789ab"]);
		assert.deepEqual(lines.get("Line 12 to Porta al Prato"), ["Line 12 to", "Porta al Prato"]);
		assert.ok(lines.has("QUIET"), "of three at one spot, the silent one has the label");
		assert.ok(near(await pixel(page, await drawn(page, "QUIET")), AMBER));
		assert.deepEqual(page.complaints, []);
	});

	test("icons by kind, and colours by any property, in the address and in the legend", async () => {
		const kinds = ["truck", "van", "bus", "car", "bike", "ship", "plane"];
		await hub.publish(
			...kinds.map((kind, i) => at(`V-${kind}`, i * 100 - 300, 100, { kind, line: i % 2 ? "A" : "B" })),
			at("V-topic", 0, -100, { topics: ["kind:bus"], line: "B" }),
			at("V-other", 150, -100),
		);
		const page = await show(CITY);
		await page.locator("#legend summary").click();
		const signs = page.locator("#legend .looks li");
		await page.waitForFunction(() => document.querySelectorAll("#legend .looks li").length === 9);
		assert.deepEqual((await signs.allInnerTexts()).slice(0, 8), [
			...["Truck", "Van", "Bus", "Car", "Bike", "Ship", "Plane", "Other"],
		]);
		await page.locator("#options summary").click();
		const choice = page.getByLabel("Colour by");
		await choice.locator("option").nth(3).waitFor({ state: "attached" }); // the menu's event comes later
		assert.deepEqual(await choice.locator("option").allInnerTexts(), [
			"what it does",
			"kind",
			"Line",
			"Speed",
		]);
		await choice.selectOption("line");
		await page.keyboard.press("Escape");
		await page.waitForURL(/colour=line/);
		const texts = async () => (await signs.allInnerTexts()).slice(0, 4);
		assert.deepEqual(await texts(), ["Colour: Line", "B", "A", "other"]);
		/** @param {string} id */
		const rim = async (id) => {
			const { left, top } = await drawn(page, id);
			return pixel(page, { left: left - 8, top });
		};
		const [blue, green, slate] = [
			[31, 95, 208],
			[15, 122, 90],
			[100, 116, 139],
		];
		assert.ok(near(await rim("V-truck"), blue), "the most frequent value has the first colour");
		assert.ok(near(await rim("V-van"), green));
		const other = await drawn(page, "V-other");
		assert.ok(near(await pixel(page, other), slate));
		const limit = Date.now() + LIMIT;
		while (!near(await rim("V-topic"), blue)) {
			assert.ok(Date.now() < limit, "it is no disc, although its topic says that it is a bus");
		}

		const linked = await show(`${CITY}&colour=kind`);
		const { left, top } = await drawn(linked, "V-bus");
		assert.ok(near(await pixel(linked, { left: left - 8, top }), [139, 53, 201]));
		assert.deepEqual(await violations(linked), []);
	});

	test("a cluster says that one in it is silent, and leaves the names of towns readable", async () => {
		await hub.publish(
			...Array.from({ length: 200 }, (_, i) => at(`TRUCK-${i}`, (i % 20) * 40, i * 2)),
			at("QUIET", 0, 0, { timestamp: now() - 4000 }),
		);
		const page = await show("#map=6/43.8/11.2");
		await page.waitForFunction(() => window.livemap.clusters().some(({ count }) => count === 201));
		const [{ left, top, radius, silent }] = await page.evaluate(() => window.livemap.clusters());
		assert.equal(silent, 1);
		assert.ok(near(await pixel(page, { left: left + 5, top: top - radius + 1 }), AMBER), "on the ring");
		const box = { left: left - radius, top: top - radius, right: left + radius, bottom: top + radius };
		const around = { left: left - 120, top: top - 60, right: left + 120, bottom: top + 60 };
		await page.waitForFunction(
			([box, around]) =>
				window.livemap.idle() &&
				window.livemap.namesIn(box).length === 0 &&
				window.livemap.namesIn(around).includes("Florence"),
			[box, around],
		);
		await page.locator("#map").hover({ position: { x: left, y: top } });
		const card = page.locator("#hover");
		await card.getByText("201 vehicles").waitFor();
		await card.getByText("200 parked · 1 silent").waitFor();
		await card.getByText("Silent: QUIET").waitFor();
	});

	test("a card shows the vehicle under the pointer, until Escape or the pointer's leave", async () => {
		await hub.publish(at("BUS-7", 0, 0, { kind: "bus", driver: "Ada Conti", line: "12" }));
		const page = await show(CITY);
		const { left, top } = await drawn(page, "BUS-7");
		await page.locator("#map").hover({ position: { x: left + 3, y: top } });
		const card = page.locator("#hover");
		await card.waitFor();
		assert.match(
			(await card.innerText()).replace(/\s+/g, " "),
			/^BUS-7 Parked ?Bus · Ada Conti · 12.*Last heard: /,
		);
		assert.deepEqual(await violations(page), []);
		await page.keyboard.press("Escape");
		await card.waitFor({ state: "hidden" });
		await page.locator("#map").hover({ position: { x: left + 3, y: top + 2 } });
		await card.waitFor();
		await page.locator("#search").hover();
		await card.waitFor({ state: "hidden" });
	});

	test("500 at one spot are a count and a list, by pointer and by keyboard", async () => {
		await hub.publish(...stack(499), at("VAN-499", 0, 0, { timestamp: now() - 4000 }));
		const page = await show(CITY.replace("15", "18"));
		await page.waitForFunction(() => window.livemap.clusters()[0]?.count === 500);
		const [{ left, top }] = await page.evaluate(() => window.livemap.clusters());
		await page.locator("#map").click({ position: { x: left, y: top } });
		const list = page.locator("#stack");
		await list.getByRole("heading", { name: "500 vehicles here" }).waitFor();
		const rows = list.locator("li button");
		assert.equal(await rows.count(), 500);
		assert.match(
			(await rows.first().innerText()).replace(/\s+/g, " "),
			/VAN-499 Silent 1 h/,
			"the silent first",
		);
		assert.match((await rows.nth(1).innerText()).replace(/\s+/g, " "), /VAN-0 Parked · Ada Conti/);
		assert.deepEqual(await violations(page, ["#stack li:nth-child(n + 4)"]), []); // the others are alike
		await page.keyboard.press("ArrowDown");
		await page.keyboard.press("ArrowDown");
		await page.keyboard.press("Enter");
		await page.locator("#details h2").getByText("VAN-1", { exact: true }).waitFor();
		await page.keyboard.press("Escape");
		await list.waitFor({ state: "hidden" });
		await page.keyboard.press("h"); // those at the selected one
		await list.getByRole("heading", { name: "500 vehicles here" }).waitFor();
		await list.getByRole("button", { name: "Show only these" }).click();
		await page.waitForURL(/only=VAN-1&/);

		await page.goto(`${hub.public}/${CITY.replace("43.7696", "43.7")}`);
		await page.waitForFunction(() => window.livemap?.status().phase === "live");
		await page.keyboard.press("h");
		await page.getByText("No vehicle is at the middle of the map.").waitFor();
	});

	test("the first view and “Show all” leave out (0, 0), say so, and show it the second time", async () => {
		await hub.publish(...Array.from({ length: 12 }, (_, i) => at(`BUS-${i}`, i * 300, i * 200)), {
			vehicle_id: "NOWHERE",
			lon: 0,
			lat: 0,
		});
		const page = await show("");
		const all = page.getByRole("button", { name: "Show all vehicles" });
		await page.getByText("One vehicle is far from the others").waitFor();
		await drawn(page, "BUS-11");
		assert.equal(await page.evaluate(() => window.livemap.drawn("NOWHERE")), null);
		await all.click();
		await drawn(page, "NOWHERE");
		await all.click();
		await drawn(page, "BUS-11");
		assert.equal(await page.evaluate(() => window.livemap.drawn("NOWHERE")), null);
	});

	test("the legend is one for the page and the kiosk", async () => {
		await hub.publish(at("BUS-7", 0, 0, { kind: "bus" }));
		const page = await show(CITY);
		await drawn(page, "BUS-7");
		await page.locator("#legend .states").waitFor({ state: "hidden" });
		await page.goto(`${hub.public}/?kiosk${CITY}`);
		await page.locator("#legend .states").getByText("Parked 1").waitFor();
		await page.locator("#legend .looks").getByText("Bus").waitFor();
		assert.equal(await page.locator("#legend summary").isVisible(), false);
		assert.deepEqual(await violations(page), []);
	});

	test("MapLibre's own names avoid clusters and labels", async () => {
		await hub.publish(...Array.from({ length: 60 }, (_, i) => at(`TRUCK-${i}`, (i % 20) * 40, i * 2)));
		const own = await hub.browser("webgl");
		try {
			const { page, complaints } = await open(hub, own, "#map=6/43.8/11.2", {
				viewport: { width: 900, height: 500 },
			});
			await page.waitForFunction(() => window.livemap.clusters()[0]?.count === 60);
			const [{ left, top, radius }] = await page.evaluate(() => window.livemap.clusters());
			const box = {
				left: left - radius,
				top: top - radius,
				right: left + radius,
				bottom: top + radius,
			};
			const around = { left: left - 120, top: top - 60, right: left + 120, bottom: top + 60 };
			await rest(page);
			await page.waitForFunction(
				([box, around]) =>
					window.livemap.namesIn(box).length === 0 &&
					window.livemap.namesIn(around).includes("Florence"),
				[box, around],
			);
			assert.deepEqual(complaints, []);
		} finally {
			await own.close();
		}
	});
});
