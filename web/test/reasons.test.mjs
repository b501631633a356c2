/**
 * What the sign-in says to dispatchers, of the words of a real hub.
 */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { explain, hasDetails, isAboutAccess } from "../src/session/reasons.js";
import { Hub, LIMIT } from "./hub.mjs";

const SECRET = "a secret of this test, of 32 bytes and more";
const now = Math.floor(Date.now() / 1000);

/** @param {Record<string, any>} claims @param {string} [secret] @param {string} [alg] */
function signed(claims, secret = SECRET, alg = "HS256") {
	const encoded = (/** @type {any} */ part) => Buffer.from(JSON.stringify(part)).toString("base64url");
	const text = `${encoded({ alg, typ: "JWT" })}.${encoded(claims)}`;
	return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}

const valid = { exp: now + 3600, livemap: { read: ["*"] } };

/** @type {string} */
let dir;
/** @type {Hub} */
let hub;
/** A hub whose issuer is away. @type {Hub} */
let keyless;

before(async () => {
	dir = await mkdtemp(join(tmpdir(), "livemap-key-"));
	await writeFile(join(dir, "key"), SECRET, { mode: 0o600 });
	[hub, keyless] = await Promise.all([
		Hub.start(["--jwt-key", join(dir, "key"), "--jwt-audience", "map"]),
		Hub.start(["--jwks-url", "http://127.0.0.1:1/keys"]),
	]);
});

after(async () => {
	await hub?.end();
	await keyless?.end();
	await rm(dir, { recursive: true });
});

/** The hub's words. @param {string} method @param {string} path @param {string} [token] @param {Hub} [at] */
async function words(method, path, token, at = hub) {
	const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
	const sent = request(at.public + path, { method, headers, rejectUnauthorized: false }).end();
	const [answer] = /** @type {[import("node:http").IncomingMessage]} */ (await once(sent, "response"));
	return /** @type {string} */ (/** @type {any} */ (await json(answer)).detail);
}

describe("the sign-in", { timeout: 10 * LIMIT }, () => {
	test("says what each refusal of a hub means, and what to do", async () => {
		const of = (/** @type {any} */ claims) => signed({ aud: "map", ...valid, ...claims });
		const foreign = signed({ aud: "map", ...valid }, "another secret, which is as long as the hub's");
		for (const [reason, more, expected] of /** @type {[string, {}, RegExp][]} */ ([
			[await words("POST", "/session"), {}, /^This map is not public\. Open the link that you were sent/],
			[await words("GET", "/session"), { login: true }, /^Sign in to see this map\.$/],
			[
				await words("POST", "/session", of({ exp: now - 3600 })),
				{},
				/^Your link has expired: it was valid until .*\. Ask whoever sent it to you for a new one\.$/,
			],
			[
				await words("GET", "/session", of({ exp: now - 3600 })),
				{ login: true },
				/^Your sign-in has expired: it was valid until .*\. Sign in again\.$/,
			],
			[
				await words("POST", "/session", of({ nbf: now + 1800 })),
				{},
				/^Your link is not valid yet: it works from .*\. Try again then\.$/,
			],
			[await words("POST", "/session", foreign), { given: true }, /^This link is not for this map\./],
			[await words("GET", "/session", foreign), {}, /^Your access has been withdrawn\./],
			[await words("POST", "/session", of({}).slice(0, -2)), {}, /^(This link or code is not complete|Your)/],
			[await words("POST", "/session", "nonsense"), {}, /^This link or code is not complete\./],
			[
				await words("GET", "/snapshot", of({ livemap: {} })),
				{},
				/^Your access covers no vehicles\. Ask whoever gave it to you to extend it\.$/,
			],
			[
				await words("GET", "/snapshot?topic=depot:8", of({ livemap: { read: ["depot:7"] } })),
				{},
				/^Your access does not cover these vehicles\. Ask/,
			],
			[
				await words("POST", "/session", of({ aud: "other" })),
				{ given: true },
				/^This link does not work here\. Ask whoever sent it to you for a new one\.$/,
			],
			[
				await words("POST", "/session", signed(valid, SECRET, "ES256"), keyless),
				{},
				/^The map cannot check who you are just now\. Try again in a minute\./,
			],
		])) {
			const said = explain({ reason, ...more });
			assert.match(said, expected, reason);
			assert.doesNotMatch(said, /token|claim|topic|session|\bkey|hub|sign(ed|ature)/i, "an engineer's word");
			assert.equal(hasDetails(reason), !/is needed/.test(reason), reason);
		}
		assert.equal(isAboutAccess(await words("POST", "/session", signed(valid, SECRET, "ES256"), keyless)), true);
		assert.equal(isAboutAccess("the hub answers 502"), false);
	});

	test("says which clock may be wrong", () => {
		const at = Date.parse("2026-11-24T12:00:00Z");
		const hour = 3_600_000;
		for (const [reason, now, clockOffset, wrong] of /** @type {[string, number, number, boolean][]} */ ([
			["it expired at 2026-11-24T12:00:00Z", at - hour, 2 * hour, true],
			["it expired at 2026-11-24T12:00:00Z", at + hour, 2 * hour, false],
			["it expired at 2026-11-24T12:00:00Z", at - 1000, 2000, false],
			["it is not valid before 2026-11-24T12:00:00Z", at + hour, -2 * hour, true],
			["it is not valid before 2026-11-24T12:00:00Z", at - hour, -2 * hour, false],
		])) {
			const said = explain({ reason, now, clockOffset });
			assert.equal(/^This computer's clock says .*, and the map's says .*/.test(said), wrong, said);
		}
	});

	test("says of a stream's end what the session says, and nothing of nothing", () => {
		const ended = "your sign-in has expired";
		assert.match(explain({ reason: ended }), /^Your link has expired\. Ask/);
		assert.match(
			explain({ reason: `${ended}: the hub rejects this token: it is not signed with a key of this hub` }),
			/^Your access has been withdrawn/,
		);
		assert.match(explain({ reason: "the hub cannot be reached; give the token again" }), /^The map's server/);
		assert.match(explain({ reason: "the hub answers 400" }), /^You are no longer signed in\. Open your link/);
		assert.equal(explain({ reason: "" }), "");
	});
});
