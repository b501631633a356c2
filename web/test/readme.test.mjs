/**
 * The examples of livemap.js in web/README.md, run in the browser against a hub.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { compileScript, parse } from "vue/compiler-sfc";
import { parse as parseAddress } from "../src/address.js";
import { Hub, LIMIT, ROOT } from "./hub.mjs";

const require = createRequire(import.meta.url);
const readme = await readFile(join(ROOT, "web/README.md"), "utf8");

/** A fenced block of web/README.md. @param {string} language @param {RegExp} holds */
function block(language, holds) {
	const blocks = [...readme.matchAll(/^```([a-z]*)\n(.*?)^```$/gms)].filter(
		([, l, text]) => l === language && holds.test(text),
	);
	assert.equal(blocks.length, 1, `web/README.md has ${blocks.length} such blocks of ${language}`);
	return blocks[0][2].replaceAll("https://localhost:4433", hub.public);
}

/** @type {Hub} */
let hub;
/** @type {import("playwright-core").Browser} */
let browser;

before(async () => {
	hub = await Hub.start();
	browser = await hub.browser();
	await hub.publish(
		{ vehicle_id: "TRUCK-042", lon: 13.404954, lat: 52.520008, speed_kmh: 85 },
		{ vehicle_id: "VAN-7", lon: 13.45, lat: 52.51, topics: ["depot:7"] },
	);
});

after(async () => {
	await browser?.close();
	await hub?.end();
});

/** Opens a page of the hub's origin. @param {Record<string, string>} files what is there, by path */
async function page(files) {
	const context = await browser.newContext();
	context.setDefaultTimeout(LIMIT);
	for (const [path, body] of Object.entries(files)) {
		await context.route(hub.public + path, (route) =>
			route.fulfill({ body, contentType: path.endsWith(".js") ? "text/javascript" : "text/html" }),
		);
	}
	const page = await context.newPage();
	/** @type {string[]} */
	const said = [];
	page.on("console", (message) => said.push(message.text()));
	page.on("pageerror", (error) => said.push(String(error)));
	await page.goto(`${hub.public}/example`);
	return { page, said };
}

/** @param {Record<string, string>} imports */
const importMap = (imports) =>
	`<!doctype html><script type="importmap">${JSON.stringify({ imports })}</script>`;

describe("web/README.md", { timeout: 30 * LIMIT }, () => {
	test("follows with livemap.js", async () => {
		const script = `${block("js", /onPosition/)}; window.feed = feed;`;
		const { page: one, said } = await page({
			"/example": `<!doctype html><script type="module">${script}</script>`,
		});
		await one.waitForFunction(() => /** @type {any} */ (window).feed?.status.phase === "live");
		await hub.publish({ vehicle_id: "TRUCK-042", lon: 13.41, lat: 52.52, speed_kmh: 80 });
		await one.waitForFunction(
			() =>
				/** @type {any} */ (window).feed.vehicles.get("TRUCK-042").geometry.coordinates[0] === 13.41,
		);
		await hub.remove("TRUCK-042");
		await one.waitForFunction(() => /** @type {any} */ (window).feed.vehicles.size === 1);
		for (const words of [
			/^TRUCK-042 \[13.404954, 52.520008\]/,
			/^VAN-7 /,
			/^connecting/,
			/^live/,
			/^TRUCK-042 deleted/,
		]) {
			assert.ok(
				said.some((s) => words.test(s)),
				`${words} ${said.join("\n")}`,
			);
		}
		await hub.publish({ vehicle_id: "TRUCK-042", lon: 13.42, lat: 52.52, speed_kmh: 85 });
	});

	test("shares a view by its address", () => {
		const [link] = block("text", /#map=/).trim().split("\n");
		const [, hash] = link.split("#");
		assert.deepEqual(parseAddress(hash), {
			map: { zoom: 12.5, lat: 48.137, lon: 11.575 },
			vehicle: "TRUCK-042",
			follow: true,
			filter: "moving",
			sort: "name",
			q: "042",
			inView: true,
			groups: [],
			only: [],
			near: null,
			colour: "",
			columns: null,
		});
	});

	test("follows with Vue", async () => {
		const { descriptor } = parse(block("vue", /livemap\.js/));
		const component = compileScript(descriptor, { id: "example", inlineTemplate: true }).content;
		const { page: one } = await page({
			"/example": `${importMap({ vue: "/vue.js" })}<div id="app"></div><script type="module">
				import { createApp } from "vue";
				import Example from "/component.js";
				createApp(Example).mount("#app");
			</script>`,
			"/component.js": component,
			"/vue.js": await readFile(require.resolve("vue/dist/vue.esm-browser.prod.js"), "utf8"),
		});
		await one.getByText("live: 2 vehicles").waitFor();
		await one.getByText("TRUCK-042: 85 km/h").waitFor();
		await hub.publish({ vehicle_id: "TRUCK-042", lon: 13.42, lat: 52.52, speed_kmh: 12 });
		await one.getByText("TRUCK-042: 12 km/h").waitFor();
		await one.getByText("VAN-7: ? km/h").waitFor();
	});

	test("follows with Leaflet", async () => {
		const { page: one, said } = await page({
			"/example":
				importMap({ leaflet: "/leaflet.js" }) +
				"<style>#map { height: 400px }</style>" +
				block("html", /livemap\.js/),
			"/leaflet.js": await readFile(require.resolve("leaflet/dist/leaflet-src.esm.js"), "utf8"),
		});
		const markers = one.locator(".leaflet-marker-icon");
		await one.waitForFunction(() => document.querySelectorAll(".leaflet-marker-icon").length === 2);
		await hub.remove("VAN-7");
		await one.waitForFunction(() => document.querySelectorAll(".leaflet-marker-icon").length === 1);
		assert.equal(await markers.count(), 1);
		assert.deepEqual(
			said.filter((s) => /Error/.test(s)),
			[],
		);
	});
});
