/**
 * Signing in on the page of a real hub that asks for tokens.
 */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { Hub, LIMIT, live, open, ROOT } from "./hub.mjs";

const SECRET = "a secret of this test, of 32 bytes and more";
/** Another origin, which the browser resolves by itself. */
const ELSEWHERE = "https://localhost:60999";
/** Another site, whose pages are not sent cookies. */
const OTHER_SITE = "https://fleet.example";
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** @param {Record<string, any>} claims @param {string} [secret] */
function signed(claims, secret = SECRET) {
	/** @param {any} part */
	const encoded = (part) => Buffer.from(JSON.stringify(part)).toString("base64url");
	const text = `${encoded({ alg: "HS256", typ: "JWT" })}.${encoded(claims)}`;
	return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}

const hour = () => Math.floor(Date.now() / 1000) + 3600;

/**
 * A token for all vehicles, or for some topics.
 * @param {{sub?: string, exp?: number, read?: string[]}} [claims]
 */
const ada = ({ sub = "ada", exp = hour(), read = ["*"] } = {}) => signed({ sub, exp, livemap: { read } });

/** @type {string} */
let dir;
/** @type {Hub} */
let hub;
/** @type {import("playwright-core").Browser} */
let browser;
/** @type {import("./hub.mjs").Opened[]} */
let opened = [];
/** Every token that a test gave. @type {string[]} */
let tokens = [];
/**
 * Ends what a test has started, after its pages are closed.
 * @type {(() => unknown)[]}
 */
let ends = [];

before(async () => {
	dir = await mkdtemp(join(tmpdir(), "livemap-key-"));
	await writeFile(join(dir, "key"), SECRET, { mode: 0o600 });
	hub = await Hub.start([
		"--jwt-key",
		join(dir, "key"),
		"--heartbeat",
		"1s",
		"--allow-origin",
		`${ELSEWHERE},${OTHER_SITE}`,
	]);
	browser = await hub.browser();
});

beforeEach(() =>
	hub.publish(
		{ vehicle_id: "TRUCK-1", lon: 13.4, lat: 52.52, speed_kmh: 0, topics: ["depot:7"] },
		{ vehicle_id: "TRUCK-2", lon: 13.41, lat: 52.53, speed_kmh: 0, topics: ["depot:8"] },
	),
);

after(async () => {
	await browser?.close();
	await hub?.end();
	await rm(dir, { recursive: true });
});

// After every test no page has complained, except of refusals, and no token is shown or stored.
afterEach(async () => {
	try {
		for (const { page, complaints } of opened.splice(0)) {
			const stored = await page.evaluate(() =>
				JSON.stringify([
					{ ...localStorage },
					{ ...sessionStorage },
					document.cookie,
					document.body.outerHTML,
				]),
			);
			const kept = `${page.url()} ${complaints} ${stored}`;
			await page.context().close();
			assert.deepEqual(
				complaints.filter((c) => !/status of 40[13]/.test(c)),
				[],
			);
			tokens.forEach((token) => assert.ok(!kept.includes(token), kept));
		}
	} finally {
		for (const end of ends.splice(0)) {
			await end();
		}
	}
	const log = hub.log.join("\n");
	tokens.splice(0).forEach((token) => assert.ok(!log.includes(token), log));
});

/** @param {string} token */
function given(token) {
	tokens.push(token);
	return token;
}

/**
 * Opens the page, which records its address at each request of its scripts.
 * @param {string} hash
 * @param {(page: import("playwright-core").Page) => Promise<unknown>} arrived
 * @param {Hub} [at]
 */
async function visit(hash, arrived, at = hub) {
	const one = await open(
		at,
		browser,
		hash,
		{ ignoreHTTPSErrors: at !== hub },
		(page) =>
			page.addInitScript(() => {
				/** @type {string[]} */
				const places = [];
				Object.assign(window, { places });
				const { fetch } = window;
				window.fetch = (...args) => {
					const what = String(args[0]).includes("/stream?") ? "stream" : (args[1]?.method ?? "GET");
					places.push(`${what} ${location.href}`);
					return fetch(...args);
				};
			}),
		arrived,
	);
	opened.push(one);
	return one.page;
}

/** @param {import("playwright-core").Page} page @returns {Promise<string[]>} */
const places = (page) => page.evaluate(() => /** @type {any} */ (window).places);

/** Waits for words in the panel. @param {string} words */
const told = (words) => (/** @type {import("playwright-core").Page} */ page) =>
	page.locator("#sign-in .reason").getByText(words).waitFor();

/** @param {import("playwright-core").Page} page @param {string} token */
async function paste(page, token) {
	await page.getByLabel("Access code").fill(given(token));
	await page.getByRole("button", { name: "Sign in" }).click();
}

/** @param {import("playwright-core").Page} page */
const vehicles = (page) =>
	page.evaluate(() =>
		window.livemap
			.vehicles()
			.map((v) => v.id)
			.sort(),
	);

/** Waits until the page holds these. @param {import("playwright-core").Page} page @param {string[]} ids */
const holds = (page, ...ids) =>
	page.waitForFunction(
		(ids) =>
			window.livemap?.status().phase === "live" &&
			window.livemap
				.vehicles()
				.map((v) => v.id)
				.sort()
				.join() === ids.join(),
		ids,
	);

describe("the page of a hub that asks for tokens", { timeout: 30 * LIMIT }, () => {
	test("signs in with a pasted token, and out again", async () => {
		const page = await visit("#map=12/52.52/13.41", told("This map is not public"));
		/** @type {string[]} */
		const shown = [];
		page.on(
			"request",
			(request) =>
				"authorization" in request.headers() &&
				shown.push(`${request.method()} ${new URL(request.url()).pathname}`),
		);
		assert.equal(await page.evaluate(() => window.livemap?.status().phase ?? "refused"), "refused");
		assert.equal(await page.locator("#user").isVisible(), false);
		assert.equal(await page.evaluate(() => document.activeElement?.id), "token");
		await page.evaluate(axe);
		const { violations } = await page.evaluate(() =>
			/** @type {any} */ (globalThis).axe.run({ exclude: [".maplibregl-canvas"] }),
		);
		assert.deepEqual(
			violations.map((/** @type {any} */ v) => [v.id, v.nodes.map((/** @type {any} */ n) => n.html)]),
			[],
		);

		await paste(
			page,
			signed({ sub: "eve", exp: hour() }, "another secret, which is as long as the hub's"),
		);
		await told("This link is not for this map. Check that you have the right one. Ask whoever")(page);
		assert.equal(await page.getByLabel("Access code").inputValue(), "");
		const engineers = page.locator("#sign-in details p");
		assert.equal(await engineers.isVisible(), false);
		await page.locator("#sign-in summary").click();
		assert.equal(
			await engineers.innerText(),
			"the hub rejects this token: it is not signed with a key of this hub",
		);
		await paste(page, ada({ exp: hour() - 7200 }));
		await told("Your link has expired: it was valid until")(page);
		await page.getByLabel("Access code").fill("ключ");
		await page.keyboard.press("Enter");
		await told("This link or code is not complete.")(page);

		await paste(page, `${hub.public}/#map=12/52.52/13.41&token=${ada().replace(".", ".\n")}&follow`);
		await holds(page, "TRUCK-1", "TRUCK-2");
		assert.equal(await page.locator("#sign-in").isVisible(), false);
		assert.equal(await page.locator("#user").innerText(), "Signed in as ada\nSign out");
		assert.equal(await page.getByLabel("Access code").inputValue(), "");
		assert.deepEqual(
			shown,
			["POST /session", "POST /session", "POST /session"],
			"a token is sent once, and nowhere else",
		);
		const [cookie] = await page.context().cookies();
		assert.deepEqual(
			[cookie.name, cookie.httpOnly, cookie.secure, cookie.sameSite],
			["__Host-livemap", true, true, "Strict"],
		);

		await page.reload();
		await holds(page, "TRUCK-1", "TRUCK-2");
		await page.getByRole("button", { name: "Sign out" }).click();
		await told("This map is not public")(page);
		assert.deepEqual(await page.context().cookies(), []);
		assert.deepEqual(
			await page.evaluate(() => window.livemap?.vehicles() ?? []),
			[],
			"the fleet is forgotten",
		);
	});

	test("removes a token from the address, and keeps the rest", async () => {
		const page = await visit(`#map=12/52.52/13.41&token=${given(ada())}&vehicle=TRUCK-2`, live);
		assert.match(page.url(), /#map=12\/52\.52\d*\/13\.41\d*&vehicle=TRUCK-2$/);
		const seen = await places(page);
		assert.match(seen[0], /^POST .*#map=12\/52.52\/13.41&vehicle=TRUCK-2$/);
		assert.deepEqual(
			seen.filter((place) => place.includes("token=")),
			[],
		);
		await holds(page, "TRUCK-1", "TRUCK-2");
		await page.goto("about:blank");
		await page.goBack();
		await holds(page, "TRUCK-1", "TRUCK-2");
		assert.ok(!page.url().includes("token="), "nor is it in the history");

		await page.goto(`${hub.public}/#token=${given(ada({ sub: "grace" }))}`); // in the open page
		await page.locator("#user").getByText("Signed in as grace").waitFor();
		assert.ok(!page.url().includes("token="));
		assert.equal(await page.locator("#details h2").innerText(), "TRUCK-2", "what is looked at stays");
	});

	test("removes a token from an address that the page overwrites at once", async () => {
		const page = await visit(`#map=12/52.52/13.41&token=${given(ada())}`, live);
		await page.evaluate(
			(token) => {
				location.hash = `token=${token}`; // hashchange fires later
				history.replaceState(null, "", "#map=12/52.52/13.41");
			},
			given(ada({ sub: "grace" })),
		);
		await page.locator("#user").getByText("Signed in as grace").waitFor();
	});

	test("removes a token from the address even if it is refused or unused", async () => {
		const wrong = signed({ exp: hour() }, "another secret, which is as long as the hub's");
		const page = await visit(
			`#token=${given(wrong)}&map=12/52.52/13.41`,
			told("This link is not for this map"),
		);
		assert.match(page.url(), /#map=12\/52\.52\d*\/13\.41\d*$/);
		assert.equal((await places(page)).filter((place) => place.startsWith("POST")).length, 1);

		const other = await page.context().newPage();
		await other.route(/main\.js/, (route) => route.abort());
		await other.goto(`${hub.public}/#token=${given(ada())}`);
		assert.equal(other.url(), `${hub.public}/`);
	});

	test("shows only what a token allows, from near and from afar", async () => {
		const page = await visit(`#map=4/52.52/13.41&token=${given(ada({ read: ["depot:7"] }))}`, (page) =>
			holds(page, "TRUCK-1"),
		);
		await page.locator("#list").getByText("TRUCK-1").click();
		await page.waitForFunction(() => window.livemap.drawn("TRUCK-1") !== null);
		await holds(page, "TRUCK-1");
		await hub.publish({ vehicle_id: "TRUCK-1", lon: 15.4, lat: 52.52, speed_kmh: 44 }); // out of the view
		await page.locator("#details").getByText("44 km/h").waitFor();
		await page.goto(`${hub.public}/#map=4/52.52/13.41&vehicle=TRUCK-1&token=${given(ada())}`);
		await holds(page, "TRUCK-1", "TRUCK-2");
		await page.waitForFunction(() => window.livemap.trail() > 1);
		await page.goto(`${hub.public}/#token=${given(ada({ read: ["depot:8"] }))}`);
		await holds(page, "TRUCK-2");
		assert.equal(await page.evaluate(() => window.livemap.trail()), 0, "nor where a vehicle has been");
		const allOnly = given(ada({ read: ["live_updates:all"] })); // but no topic of a single vehicle
		await page.goto(`${hub.public}/#map=12/52.52/13.41&vehicle=TRUCK-1&token=${allOnly}`);
		await holds(page, "TRUCK-2"); // as much as is in view
		await page.locator("#list").getByText("TRUCK-1").waitFor();
		await page.getByLabel("Search vehicles").fill("NOBODY");
		await page.getByLabel("Search vehicles").press("Enter");
		await page.getByText("The hub knows no vehicle “NOBODY”.").waitFor();
		await page.getByLabel("Search vehicles").fill("");
		await page.goto(`${hub.public}/#token=${given(ada({ read: [] }))}`);
		await page
			.locator("#connection")
			.getByText("Your access covers no vehicles.")
			.waitFor();
	});

	test("reports an expired token, keeps the vehicles, and resumes after another", async () => {
		const page = await visit(`#map=12/52.52/13.41&token=${given(ada({ exp: hour() - 3600 + 6 }))}`, live);
		await holds(page, "TRUCK-1", "TRUCK-2");
		await page
			.locator("#sign-in .reason")
			.getByText("Your link has expired")
			.waitFor({ timeout: 3 * LIMIT }); // or after the leeway, on a slow machine
		assert.deepEqual(
			await page.evaluate(() => [window.livemap.status().phase, window.livemap.status().refusal]),
			["refused", "expired"],
		);
		assert.match(await page.locator("#connection").innerText(), /^Not live\s+You are not signed in\.$/);
		assert.match(await page.locator("#sign-in .stale").innerText(), /and not live/);
		assert.equal(await page.locator("body").getAttribute("data-live"), "false");
		assert.deepEqual(await vehicles(page), ["TRUCK-1", "TRUCK-2"]);
		const before = await places(page);
		await hub.publish(
			{ vehicle_id: "TRUCK-1", lon: 13.42, lat: 52.52, speed_kmh: 12 },
			{ vehicle_id: "TRUCK-3", lon: 13.43, lat: 52.52 },
		);
		await paste(page, ada());
		await holds(page, "TRUCK-1", "TRUCK-2", "TRUCK-3");
		assert.equal(await page.evaluate(() => window.livemap.status().state), "resumed");
		assert.equal(await page.locator("body").getAttribute("data-live"), "true");
		const then = (await places(page)).slice(before.length).map((place) => place.split(" ")[0]);
		assert.deepEqual(
			then.filter((what) => what !== "GET"),
			["POST", "stream"],
			"nothing was tried in between",
		);
		await hub.remove("TRUCK-3");
		await holds(page, "TRUCK-1", "TRUCK-2");
	});

	test("is no longer live when its reader signs out in another tab", async () => {
		const page = await visit(`#map=12/52.52/13.41&q=NOBODY&token=${given(ada())}`, live);
		await holds(page, "TRUCK-1", "TRUCK-2");
		assert.equal(
			await page.evaluate(async () => (await fetch("/session", { method: "DELETE" })).status),
			204,
		);
		// Enter asks the hub and changes nothing else.
		await page.getByLabel("Search vehicles").press("Enter");
		await told("This map is not public")(page);
		await page.waitForFunction(() => window.livemap.status().phase === "refused");
	});

	test("lets pages of another origin sign in, as web/README.md does", async () => {
		const readme = await readFile(join(ROOT, "web/README.md"), "utf8");
		const [signIn] = readme.match(/^async function signIn.*?^}/ms) ?? [];
		// Chromium asks for this permission for requests to loopback.
		const context = await browser.newContext({ permissions: ["local-network-access"] });
		context.setDefaultTimeout(LIMIT);
		const script = `import { follow } from "${hub.public}/livemap.js";
			${signIn?.replaceAll("https://localhost:4433", hub.public)}
			window.feed = follow();
			window.enter = (token) => signIn(window.feed, token);`;
		await context.route(`${ELSEWHERE}/`, (route) =>
			route.fulfill({
				contentType: "text/html",
				body: `<!doctype html><script type="module">${script}</script>`,
			}),
		);
		const page = await context.newPage();
		await page.goto(ELSEWHERE);
		await page.waitForFunction(() => /** @type {any} */ (window).feed?.status.phase === "refused");
		assert.match(
			await page.evaluate(() => /** @type {any} */ (window).feed.status.reason),
			/^a token is needed/,
		);
		await page.evaluate(
			(token) => /** @type {any} */ (window).enter(token),
			given(ada({ read: ["depot:7"] })),
		);
		await page.waitForFunction(() => /** @type {any} */ (window).feed.status.phase === "live");
		assert.deepEqual(await page.evaluate(() => [.../** @type {any} */ (window).feed.vehicles.keys()]), [
			"TRUCK-1",
		]);
		await page.evaluate(() => /** @type {any} */ (window).feed.view({ topics: ["depot:8"] }));
		await page.waitForFunction(() => /** @type {any} */ (window).feed.status.refusal === "forbidden");
		assert.equal(
			await page.evaluate(() => /** @type {any} */ (window).feed.status.reason),
			'this token may not read the topic "depot:8"',
		);
		await context.close();
	});

	test("gives pages of another site a stream by token, as web/README.md does", async () => {
		const readme = await readFile(join(ROOT, "web/README.md"), "utf8");
		const [example] = readme.match(/^const feed = follow\(\{\n[^}]*getToken.*?^\}\);/ms) ?? [];
		const context = await browser.newContext({ permissions: ["local-network-access"] });
		context.setDefaultTimeout(LIMIT);
		const script = `import { follow } from "${hub.public}/livemap.js";
			${example?.replaceAll("https://localhost:4433", hub.public)}
			window.feed = feed;`;
		await context.route(`${OTHER_SITE}/`, (route) =>
			route.fulfill({
				contentType: "text/html",
				body: `<!doctype html><script type="module">${script}</script>`,
			}),
		);
		const expired = given(ada({ exp: hour() - 7200 }));
		const replies = [expired, given(ada({ read: ["depot:7"] })), given(ada({ read: ["depot:7"] }))];
		/** @type {string[]} */
		const asked = [];
		await context.route(`${OTHER_SITE}/map-token`, (route) => {
			asked.push(replies[Math.min(asked.length, replies.length - 1)]);
			return route.fulfill({ body: asked[asked.length - 1] });
		});
		const page = await context.newPage();
		/** @type {string[]} */
		const urls = [];
		page.on("request", (request) => urls.push(request.url()));
		await page.goto(OTHER_SITE);
		const phase = (/** @type {string} */ wanted) =>
			page.waitForFunction(
				(wanted) => /** @type {any} */ (window).feed?.status.phase === wanted,
				wanted,
			);
		await phase("live");
		assert.deepEqual(
			[asked.length, asked[0]],
			[3, expired],
			"once for the snapshot, again after it was refused, and for the stream",
		);
		const speed = () => /** @type {any} */ (window).feed.vehicles.get("TRUCK-1").properties.speed_kmh;
		assert.equal(await page.evaluate(speed), 0);
		assert.equal(await page.evaluate(() => /** @type {any} */ (window).feed.vehicles.size), 1);
		await hub.publish({ vehicle_id: "TRUCK-1", lon: 13.4, lat: 52.52, speed_kmh: 31 });
		await page.waitForFunction(
			() => /** @type {any} */ (window).feed.vehicles.get("TRUCK-1").properties.speed_kmh === 31,
		);
		await hub.stop();
		await phase("waiting");
		await hub.run();
		await hub.publish({ vehicle_id: "TRUCK-1", lon: 13.4, lat: 52.52, speed_kmh: 32 });
		await phase("live");
		assert.equal(await page.evaluate(speed), 32);
		assert.ok(asked.length > 3, "each connection gets a token of its own");
		assert.deepEqual(await context.cookies(), []);
		asked.forEach((token) => assert.ok(!urls.join().includes(token)));
		await context.close();
	});

	test("redirects readers to the login page without a loop", async () => {
		const login = createServer((_, answer) =>
			answer.setHeader("Content-Type", "text/html").end("<title>Who are you?</title>"),
		);
		await new Promise((resolve) => login.listen(0, "127.0.0.1", () => resolve(undefined)));
		ends.push(() => login.close());
		const { port } = /** @type {import("node:net").AddressInfo} */ (login.address());
		const own = await Hub.start([
			"--jwt-key",
			join(dir, "key"),
			"--login-url",
			`http://127.0.0.1:${port}/?for=map`,
		]);
		ends.push(() => own.end());
		const leaving = {
			hasText: new RegExp(`Sign in at 127.0.0.1:${port}\\s*You are being taken there\\.`),
		};
		const page = await visit(
			"#map=12/52.52/13.41",
			(page) => page.locator("#sign-in .login", leaving).waitFor(),
			own,
		);
		await page.waitForURL(`http://127.0.0.1:${port}/?for=map`);
		await page.goto(`${own.public}/`); // still signed out
		await told("Sign in to see this map.")(page);
		assert.equal(await page.locator("#sign-in .redirecting").innerText(), "");
		assert.equal(
			await page.getByRole("link", { name: "Sign in at" }).getAttribute("href"),
			`http://127.0.0.1:${port}/?for=map`,
		);
		await page.getByRole("link", { name: "Sign in at" }).click();
		await page.waitForURL(`http://127.0.0.1:${port}/?for=map`);
		await page.goto(`${own.public}/#token=${given(ada())}`);
		await live(page);
		assert.match(page.url(), /#map=12\//, "what was looked at before");
	});
});
