/**
 * The account, with a hub whose answers the test sends.
 */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { Account } from "../src/session/account.js";

const { fetch } = globalThis;
/**
 * Requests that wait for an answer.
 * @type {{method: string, answer: (status: number, body?: object) => void}[]}
 */
let waiting = [];
/** @type {Account} */
let account;
let changes = 0;

beforeEach(() => {
	waiting = [];
	changes = 0;
	account = new Account(() => changes++);
	globalThis.fetch = (_, { method = "GET" } = {}) =>
		new Promise((resolve) => {
			waiting.push({ method, answer: (status, body = {}) => resolve(Response.json(body, { status })) });
		});
});
afterEach(() => {
	globalThis.fetch = fetch;
});

/** Answers the next request. @param {string} method @param {number} status @param {object} body */
async function answer(method, status, body) {
	while (waiting.length === 0) {
		await new Promise((resolve) => setImmediate(resolve));
	}
	const [next] = waiting.splice(0, 1);
	assert.equal(next.method, method);
	next.answer(status, body);
}

const NEEDED = { detail: "a token is needed" };
const ADA = { subject: "ada", read: ["*"] };

/** Signs in. */
async function signedIn() {
	const entering = account.signIn("a.b.c");
	await answer("POST", 200, ADA);
	await entering;
}

describe("an account", () => {
	test("keeps the reason of a refused token through later refusals", async () => {
		const entering = account.signIn("a.b.c");
		await answer("POST", 401, { detail: "it is not signed" });
		await answer("GET", 401, NEEDED);
		await entering;
		const seen = changes;
		account.signedOut(NEEDED.detail); // by a stream
		const asking = account.refresh();
		await answer("GET", 401, NEEDED);
		await asking;
		assert.deepEqual(
			[account.state, account.reason, account.refused, changes],
			["out", "it is not signed", true, seen],
		);
		await signedIn();
		assert.deepEqual([account.state, account.reason, account.refused], ["in", "", false]);
	});

	test("is signed in by a token that was being checked when the previous one expired", async () => {
		await signedIn();
		const entering = account.signIn("d.e.f");
		account.signedOut("it expired");
		await answer("POST", 200, { ...ADA, subject: "grace" });
		await entering;
		assert.deepEqual([account.state, account.subject], ["in", "grace"]);
		account.signedOut("it expired");
		assert.deepEqual([account.state, account.reason], ["out", "it expired"]);
	});

	test("takes the token out of a whole link, and knows the hub's clock", async () => {
		/** @type {string[]} */
		const sent = [];
		globalThis.fetch = async (_, init) => {
			sent.push(/** @type {any} */ (init).headers.Authorization);
			const date = new Date(Date.now() + 7_200_000).toUTCString();
			return Response.json(ADA, { headers: { Date: date } });
		};
		for (const given of ["https://hub/#map=1/2/3&token=a.b.c&follow", "#token=a.b.c", " Bearer a.b\n.c"]) {
			await account.signIn(given);
		}
		assert.deepEqual(sent, Array(3).fill("Bearer a.b.c"));
		assert.equal(Math.round(account.clockOffset / 60_000), 120);
		globalThis.fetch = async () => new Response(); // without a date
		await account.refresh();
		assert.equal(account.clockOffset, 0);
	});

	test("is signed out, whatever the hub answered before", async () => {
		await signedIn();
		const asking = account.refresh();
		account.signedOut("it expired");
		await answer("GET", 200, ADA);
		await asking;
		assert.equal(account.state, "out");
	});
});
