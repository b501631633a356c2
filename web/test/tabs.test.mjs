/**
 * Seven tabs over HTTP/1.1, of which a browser opens six connections to a hub.
 */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { browser as launch, Hub, LIMIT, live } from "./hub.mjs";

const SECRET = "a secret of this test, of 32 bytes and more";

/** @param {string} sub */
function token(sub) {
	const encoded = (/** @type {any} */ part) => Buffer.from(JSON.stringify(part)).toString("base64url");
	const claims = { sub, exp: Math.floor(Date.now() / 1000) + 3600, livemap: { read: ["*"] } };
	const text = `${encoded({ alg: "HS256", typ: "JWT" })}.${encoded(claims)}`;
	return `${text}.${createHmac("sha256", SECRET).update(text).digest("base64url")}`;
}

/** @type {string} */
let dir;
/** @type {Hub} */
let hub;
/** @type {import("playwright-core").Browser} */
let browser;

before(async () => {
	dir = await mkdtemp(join(tmpdir(), "livemap-key-"));
	await writeFile(join(dir, "key"), SECRET, { mode: 0o600 });
	hub = await Hub.start(["--jwt-key", join(dir, "key"), "--heartbeat", "1s"]);
	const trust = `--ignore-certificate-errors-spki-list=${hub.key}`;
	browser = await launch("plain", "--disable-http2", "--disable-quic", trust);
});

after(async () => {
	await browser?.close();
	await hub?.end();
	await rm(dir, { recursive: true });
});

/** The streams that the hub serves. */
async function streams() {
	const metrics = await (await fetch(`${hub.internal}/metrics`)).text();
	const counts = [...metrics.matchAll(/^livemap_streams_open\{protocol="(\w+)"\} (\d+)$/gm)];
	return Object.fromEntries(counts.map(([, protocol, count]) => [protocol, Number(count)]));
}

/** Waits for a number of streams over HTTP/1.1. @param {number} wanted */
async function settled(wanted) {
	for (let end = Date.now() + LIMIT; (await streams()).h1 !== wanted; await setTimeout(100)) {
		assert.ok(Date.now() < end, `${JSON.stringify(await streams())} instead of ${wanted}`);
	}
}

/** Waits until pages know a vehicle's speed. @param {string} id @param {number} speed */
const knows = (id, speed) => (/** @type {import("playwright-core").Page} */ page) =>
	page.waitForFunction(
		({ id, speed }) =>
			window.livemap.vehicles().some((v) => v.id === id && v.properties.speed_kmh === speed),
		{ id, speed },
	);

/** A place with a box of its own. @param {number} i */
const place = (i) => ({ lon: 10 + i, lat: 50 });

/**
 * Opens the map, or a page without one that follows the hub by the same module.
 * @param {import("playwright-core").BrowserContext} context
 * @param {string} app the path of the page's modules; "": the map
 * @param {string} [hash]
 * @param {boolean} [shared] whether the browser has SharedWorkers
 */
async function open(context, app, hash = "", shared = true) {
	const tab = await context.newPage();
	if (!shared) {
		await tab.addInitScript(() => Object.assign(window, { SharedWorker: undefined }));
	}
	if (app) {
		await tab.route(/main\.js/, (route) => route.abort());
	}
	await tab.goto(`${hub.public}/${hash}`);
	if (app) {
		await tab.evaluate(async (app) => {
			const { follow, renew } = await import(`${app}shared/stream.js`);
			const feed = follow({ topics: ["live_updates:all"], interval: 2, ping: 5 });
			const vehicles = () => [...feed.vehicles.values()];
			Object.assign(window, { feed, renew, livemap: { status: () => feed.status, vehicles } });
		}, app);
	}
	return tab;
}

/** Signs in, in a tab without a map. @param {import("playwright-core").Page} tab @param {string} token */
const signIn = (tab, token) =>
	tab.evaluate(async (token) => {
		await fetch("/session", { method: "POST", headers: { Authorization: `Bearer ${token}` } });
		/** @type {any} */ (window).renew();
	}, token);

describe("seven tabs over HTTP/1.1", { timeout: 20 * LIMIT }, () => {
	test("share a stream, the sign-in, and what connections there are", async () => {
		const context = await browser.newContext({ viewport: { width: 420, height: 320 } });
		context.setDefaultTimeout(LIMIT);
		const all = (/** @type {number} */ speed_kmh) =>
			hub.publish(...[0, 1, 2, 3, 4, 5, 6].map((i) => ({ vehicle_id: `V${i}`, ...place(i), speed_kmh })));
		await all(0);
		const index = await (await context.request.get(hub.public, { ignoreHTTPSErrors: true })).text();
		const app = /\/app\/\w+\//.exec(index)?.[0] ?? "";
		const tabs = [await open(context, app)];
		await signIn(tabs[0], token("ada"));
		for (let i = 1; i < 6; i++) {
			tabs.push(await open(context, app));
		}
		const [first] = tabs;
		const seventh = await open(context, "", "#map=4/50/13");
		tabs.push(seventh);
		await Promise.all(tabs.map(live));
		assert.equal(await seventh.evaluate(() => window.livemap.status().protocol), "h1");
		await settled(1);
		await hub.publish({ vehicle_id: "V0", ...place(0), speed_kmh: 11 });
		await Promise.all(tabs.map(knows("V0", 11)));
		await hub.remove("V6");
		await seventh.waitForFunction(() => window.livemap.vehicles().length === 6);

		// Signing out and in again, each in one tab.
		await seventh.evaluate(() => document.getElementById("sign-out")?.click());
		for (const tab of tabs.slice(0, 6)) {
			await tab.waitForFunction(() => window.livemap.status().refusal === "unauthorized");
		}
		await seventh.locator("#sign-in .reason").getByText("This map is not public").waitFor();
		await settled(0);
		await signIn(first, token("grace"));
		await seventh.waitForFunction(() => window.livemap);
		await Promise.all(tabs.map(live));
		await seventh.locator("#user", { hasText: "Signed in as grace" }).waitFor({ state: "attached" });
		await settled(1);

		// A view of its own in each tab: four are streamed, and the others polled.
		await all(12);
		for (const [i, tab] of tabs.entries()) {
			const { lon, lat } = place(i);
			await tab.evaluate(
				({ hash, bbox }) => {
					const { feed } = /** @type {any} */ (window);
					feed ? feed.view({ bbox }) : (location.hash = hash);
				},
				{ hash: `map=12/${lat}/${lon}`, bbox: [lon - 0.1, lat - 0.1, lon + 0.1, lat + 0.1] },
			);
			await tab.waitForFunction((id) => {
				const ids = window.livemap.vehicles().map((v) => v.id);
				return window.livemap.status().phase === "live" && ids.join() === id;
			}, `V${i}`);
		}
		await settled(4);
		await all(13);
		await Promise.all(tabs.map((tab, i) => knows(`V${i}`, 13)(tab)));

		// A stream that becomes free is used, and the worker ends with its last tab.
		await tabs[1].close();
		await settled(4);
		for (const tab of tabs.slice(2, 6)) {
			await tab.close();
		}
		await settled(2);
		await all(14);
		await knows("V0", 14)(first);
		await first.close();
		await settled(1);

		// A browser without a SharedWorker.
		await live(await open(context, app, "", false));
		await settled(2);
		await context.close();
		await settled(0);
	});
});
