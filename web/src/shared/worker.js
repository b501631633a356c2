/**
 * worker.js is the SharedWorker of all tabs of the map: one stream for all tabs that follow the same view. It
 * ends with its last tab.
 */
import { follow } from "../livemap.js";

import { Polled } from "./polled.js";

/** @import { View } from "../livemap.js" */
/** @import { Change, Message, Request } from "./stream.js" */

/**
 * Streams of different views; further views are polled. A browser opens six connections to a host over
 * HTTP/1.1: one stream may begin before another ends, and one connection is for the page and its reads.
 */
const MAX_STREAMS = 4;
/** Milliseconds after which a tab that gave no sign of life is forgotten. Hidden tabs give one a minute. */
const FORGET_AFTER = 150_000;
const TICK = 1000; // ms

/** Shared is a stream and the tabs that follow it. */
class Shared {
	/** @type {Set<MessagePort>} */ tabs = new Set();
	/** @type {import("../livemap.js").Feed | Polled} */ #feed;
	#complete = false; // the state has come
	/** @type {Change[]} */ #changes = [];
	/** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;

	/** @param {View} view @param {number} ping seconds @param {boolean} polled */
	constructor(view, ping, polled) {
		this.view = view;
		this.ping = ping;
		this.polled = polled;
		this.#feed = this.#follow();
	}

	/** Whether the hub cannot prove that it is up to date, as a stream has said. */
	get frozen() {
		return !this.polled && this.#feed.status.phase === "frozen";
	}

	#follow() {
		this.#complete = false;
		this.#changes = [];
		/** @type {import("../livemap.js").Options} */
		const options = {
			...this.view,
			ping: this.ping,
			onPosition: (feature) => this.#change(["position", feature]),
			onLate: (feature) => this.#change(["late", feature]),
			onGone: (id, reason) => this.#change(["gone", id, reason]),
			onStatus: ({ phase }) => this.#statusChanged(phase),
		};
		return this.polled ? new Polled(options, () => all().some((other) => other.frozen)) : follow(options);
	}

	/** @param {Change} change */
	#change(change) {
		this.#changes.push(change);
		// What has come together leaves together.
		this.#timer ??= setTimeout(() => this.send(), 0);
	}

	/** @param {string} phase */
	#statusChanged(phase) {
		if (!this.#complete && (phase === "live" || phase === "frozen")) {
			this.#complete = true;
			this.#changes = [];
			this.tabs.forEach((tab) => this.sendAll(tab));
			return;
		}
		this.send();
	}

	/** Sends every tab what has changed. */
	send() {
		clearTimeout(this.#timer);
		this.#timer = undefined;
		const changes = this.#complete ? this.#changes : [];
		this.#changes = [];
		const message = this.#message({ changes });
		this.tabs.forEach((tab) => tab.postMessage(message));
	}

	/** Sends a tab everything. @param {MessagePort} tab */
	sendAll(tab) {
		tab.postMessage(this.#message(this.#complete ? { vehicles: [...this.#feed.vehicles.values()] } : {}));
	}

	/** @param {Partial<Message>} more @returns {Message} */
	#message(more) {
		const { status, clockOffset, asOf, quietFrom } = this.#feed;
		return { status, clockOffset, asOf, quietFrom, ...more };
	}

	retry() {
		this.#feed.retry();
	}

	/** Begins anew, because the reader has changed, or a stream has become free. */
	renew(polled = this.polled) {
		this.polled = polled;
		const before = this.#feed;
		this.#feed = this.#follow();
		before.close();
	}

	close() {
		clearTimeout(this.#timer);
		this.#feed.close();
	}
}

/** The streams by their view. @type {Map<string, Shared>} */
const streams = new Map();
/** The tabs, with the last sign of life of each. @type {Map<MessagePort, number>} */
const tabs = new Map();

const all = () => [...streams.values()];
const isFull = () => all().filter((shared) => !shared.polled).length >= MAX_STREAMS;

/** @param {MessagePort} tab */
const streamOf = (tab) => all().find((shared) => shared.tabs.has(tab));

/** @param {MessagePort} tab @param {View} view @param {number} ping */
function join(tab, view, ping) {
	let shared = streamOf(tab);
	if (!shared) {
		shared = streamFor(view, ping);
		shared.send(); // to the others, for whom it is news
		shared.tabs.add(tab);
	}
	shared.sendAll(tab);
}

/** @param {View} view @param {number} ping @returns {Shared} */
function streamFor({ topics, bbox, interval }, ping) {
	const key = JSON.stringify([topics ?? null, bbox ?? null, interval ?? null, ping]);
	const known = streams.get(key);
	if (known) {
		return known;
	}
	const shared = new Shared({ topics, bbox, interval }, ping, isFull());
	streams.set(key, shared);
	return shared;
}

/** @param {MessagePort} tab */
function leave(tab) {
	tabs.delete(tab);
	for (const [key, shared] of streams) {
		if (shared.tabs.delete(tab) && shared.tabs.size === 0) {
			streams.delete(key);
			shared.close();
		}
	}
	const next = all().find((shared) => shared.polled);
	if (next && !isFull()) {
		next.renew(false);
	}
}

/** @param {MessagePort} tab @param {Request} request */
function handle(tab, request) {
	tabs.set(tab, Date.now());
	switch (request.ask) {
		case "follow":
			return join(tab, request.view, request.ping);
		case "retry":
			return streamOf(tab)?.retry();
		case "renew":
			return streams.forEach((shared) => shared.renew());
		case "leave":
			return leave(tab);
	}
}

addEventListener("connect", (event) => {
	const [tab] = /** @type {MessageEvent} */ (event).ports;
	tab.onmessage = ({ data }) => handle(tab, data);
	tab.addEventListener("close", () => leave(tab)); // where the browser tells
});

setInterval(() => {
	for (const [tab, heard] of tabs) {
		if (Date.now() - heard > FORGET_AFTER) {
			leave(tab);
		}
	}
	streams.forEach((shared) => shared.send());
}, TICK);
