import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { follow } from "../src/livemap.js";

// livemap.js over a stream that is cut at every byte, with EventSources that differ in what they remember.

/** @param {string} id @param {number} timestamp */
const position = (id, timestamp) => ({
	type: "Feature",
	id,
	geometry: { type: "Point", coordinates: [1, 2] },
	properties: { vehicle_id: id, timestamp },
});

/** The events of the hub's log, as on the wire. @type {[string, object][]} */
const LOG = [
	["", position("A", 1)],
	["", position("B", 1)],
	["late", position("A", 0)],
	["gone", { vehicle_id: "B", reason: "left" }],
	["ping", { time: 7 }], // with a fresh id: others have moved on
	["", position("A", 2)],
];

/** What the hub sends to a client with this id. @param {string} id */
function textFrom(id) {
	const from = Number(id.slice("e-".length));
	const lines = [`retry: 1000\nevent: ping\nid: ${id}\ndata: {"time":7}\n\n`];
	LOG.slice(from).forEach(([name, data], i) => {
		lines.push(`${name && `event: ${name}\n`}data: ${JSON.stringify(data)}\nid: e-${from + i + 1}\n\n`);
	});
	lines.push(`event: live\ndata: {"mode":"replay","events":0,"time":7}\nid: e-${LOG.length}\n\n`);
	return lines.join("");
}

/** An EventSource that is cut where the test says. */
class Source {
	/** @type {Source} */ static last;
	static remembersLines = false;

	/** @type {Record<string, (event: any) => void>} */ listeners = {};
	/** @type {((event?: any) => void) | undefined} */ onopen;
	/** @type {((event: any) => void) | undefined} */ onmessage;
	/** @type {((event?: any) => void) | undefined} */ onerror;
	lastEventId = "";
	closed = false;

	/** @param {URL} url */
	constructor(url) {
		this.from = url.searchParams.get("lastEventId") ?? "";
		Source.last = this;
	}

	/** @param {string} name @param {(event: any) => void} listener */
	addEventListener(name, listener) {
		this.listeners[name] = listener;
	}

	close() {
		this.closed = true;
	}

	/** Reads a part of a stream (WHATWG HTML, section 9.2.6). @param {string} text */
	read(text) {
		this.onopen?.();
		let [type, data, id] = ["", "", this.lastEventId];
		for (const line of text.split("\n").slice(0, -1)) {
			const [field, value] = [line.split(": ")[0], line.slice(line.indexOf(": ") + 2)];
			if (field === "event") type = value;
			if (field === "data") data = value;
			if (field === "id") id = value;
			if (Source.remembersLines) this.lastEventId = id;
			if (line === "") {
				this.lastEventId = id;
				const event = { data, lastEventId: id };
				type === "" ? this.onmessage?.(event) : this.listeners[type]?.(event);
				[type, data] = ["", ""];
			}
		}
	}
}

for (const remembersLines of [false, true]) {
	const ids = remembersLines ? "read by lines" : "of events";
	test(`a cut at any byte loses nothing, ids are ${ids}`, async () => {
		mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: 1_800_000_000_000 });
		mock.method(Math, "random", () => 1);
		Source.remembersLines = remembersLines;
		Object.assign(globalThis, {
			EventSource: Source,
			fetch: async () => Response.json({ features: [] }, { headers: { "Last-Event-ID": "e-0" } }),
		});
		const whole = textFrom("e-0");
		for (let cut = 0; cut <= whole.length; cut++) {
			const before = Source.last;
			const feed = follow({ hub: "https://hub.example/" });
			while (Source.last === before) {
				await setImmediate();
			}
			const first = Source.last;
			assert.equal(first.from, "e-0");
			first.read(whole.slice(0, cut));
			first.onerror?.();
			assert.ok(first.closed);
			mock.timers.tick(1000);
			assert.notEqual(Source.last, first);
			Source.last.read(textFrom(Source.last.from));
			assert.equal(feed.status.phase, "live", whole.slice(0, cut));
			assert.deepEqual([...feed.vehicles.values()], [position("A", 2)], whole.slice(0, cut));
			feed.close();
		}
		mock.timers.reset();
		mock.restoreAll();
	});
}
