/**
 * firefox.mjs drives Firefox by WebDriver BiDi (w3.org/TR/webdriver-bidi). Playwright's own driver needs a
 * newer Firefox than Debian's.
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import WebSocket from "ws";
import { LIMIT } from "./hub.mjs";

/** Debian's Firefox, or that of FIREFOX. */
export const FIREFOX = [process.env.FIREFOX, "firefox-esr", "firefox"].find(
	(program) => program && spawnSync(program, ["--version"], { stdio: "ignore" }).status === 0,
);

/** Without WebGL on any machine, and without asking Mozilla's servers for anything. */
const PREFERENCES = {
	"webgl.disabled": true,
	"app.update.disabledForTesting": true,
	"browser.safebrowsing.blockedURIs.enabled": false,
	"browser.shell.checkDefaultBrowser": false,
	"datareporting.policy.dataSubmissionEnabled": false,
	"network.captive-portal-service.enabled": false,
	"network.connectivity-service.enabled": false,
	"toolkit.telemetry.reportingpolicy.firstRun": false,
};

export class Firefox {
	#process;
	#profile;
	/** @type {WebSocket} */ #socket;
	/** @type {Map<number, {resolve: (result: any) => void, reject: (error: Error) => void}>} */
	#asked = new Map();
	#last = 0;
	/** Errors of the pages' scripts, and what their consoles warn of. @type {string[]} */
	complaints = [];

	/**
	 * @param {import("node:child_process").ChildProcess} process
	 * @param {string} profile its directory
	 * @param {WebSocket} socket
	 */
	constructor(process, profile, socket) {
		this.#process = process;
		this.#profile = profile;
		this.#socket = socket;
		socket.on("message", (text) => this.#receive(JSON.parse(String(text))));
		socket.on("close", () =>
			this.#asked.forEach(({ reject }) => reject(new Error("Firefox has closed the connection"))),
		);
	}

	/** Starts one that accepts the hub's certificate. @param {Record<string, any>} [preferences] further ones */
	static async start(preferences = {}) {
		if (!FIREFOX) {
			throw new Error("there is no Firefox: make clients installs it, or FIREFOX names it");
		}
		const profile = await mkdtemp(join(tmpdir(), "livemap-firefox-"));
		const lines = Object.entries({ ...PREFERENCES, ...preferences }).map(
			([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`,
		);
		await writeFile(join(profile, "user.js"), lines.join(""));
		const process = spawn(
			FIREFOX,
			["--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0"],
			{ stdio: ["ignore", "ignore", "pipe"] },
		);
		/** @type {string} */
		const address = await new Promise((resolve, reject) => {
			process.once("exit", () => reject(new Error("Firefox has ended")));
			createInterface({ input: process.stderr }).on("line", (line) => {
				const found = /^WebDriver BiDi listening on (ws:\S+)/.exec(line);
				if (found) resolve(found[1]);
			});
		});
		const socket = new WebSocket(`${address}/session`);
		await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
		const firefox = new Firefox(process, profile, socket);
		await firefox.send("session.new", { capabilities: { alwaysMatch: { acceptInsecureCerts: true } } });
		await firefox.send("session.subscribe", { events: ["log.entryAdded"] });
		return firefox;
	}

	/**
	 * Sends a command, and returns its result.
	 * @param {string} method
	 * @param {object} params
	 * @returns {Promise<any>}
	 */
	send(method, params) {
		const id = ++this.#last;
		return new Promise((resolve, reject) => {
			this.#asked.set(id, { resolve, reject });
			this.#socket.send(JSON.stringify({ id, method, params }));
		});
	}

	/** @param {any} message */
	#receive({ id, type, method, params, result, error, message }) {
		if (method === "log.entryAdded" && ["error", "warn"].includes(params.level)) {
			this.complaints.push(params.text);
		}
		const asked = this.#asked.get(id);
		this.#asked.delete(id);
		if (type === "success") asked?.resolve(result);
		if (type === "error") asked?.reject(new Error(`${error}: ${message}`));
	}

	/**
	 * Opens a tab.
	 * @param {string} url
	 * @param {() => void} [before] runs in the tab before its scripts
	 * @returns {Promise<Tab>}
	 */
	async open(url, before) {
		const { context } = await this.send("browsingContext.create", { type: "tab" });
		const tab = new Tab(this, context);
		if (before) {
			const script = { functionDeclaration: String(before), contexts: [context] };
			await this.send("script.addPreloadScript", script);
		}
		await this.send("browsingContext.setViewport", { context, viewport: { width: 1280, height: 800 } });
		await this.send("browsingContext.navigate", { context, url, wait: "complete" });
		return tab;
	}

	async end() {
		const ended = new Promise((resolve) => this.#process.once("exit", resolve));
		this.#process.kill();
		await ended;
		await rm(this.#profile, { recursive: true, force: true, maxRetries: 5 });
	}
}

export class Tab {
	/** @param {Firefox} firefox @param {string} context of WebDriver BiDi */
	constructor(firefox, context) {
		this.firefox = firefox;
		this.context = context;
	}

	/**
	 * Calls a function in the page.
	 * @template {any[]} A
	 * @template R
	 * @param {(...args: A) => R} called
	 * @param {A} args as JSON
	 * @returns {Promise<Awaited<R>>}
	 */
	async evaluate(called, ...args) {
		const { type, result, exceptionDetails } = await this.firefox.send("script.callFunction", {
			functionDeclaration: `async (args) => JSON.stringify(await (${called})(...JSON.parse(args)) ?? null)`,
			arguments: [{ type: "string", value: JSON.stringify(args) }],
			awaitPromise: true,
			target: { context: this.context },
		});
		if (type === "exception") throw new Error(exceptionDetails.text);
		return JSON.parse(result.value);
	}

	/**
	 * Waits until a function of the page returns something that is true, and returns that.
	 * @template {any[]} A
	 * @template R
	 * @param {(...args: A) => R} called
	 * @param {A} args as JSON
	 */
	async until(called, ...args) {
		const limit = Date.now() + LIMIT;
		for (;;) {
			const result = await this.evaluate(called, ...args);
			if (result) return result;
			if (Date.now() > limit) throw new Error(`this did not become true: ${called} ${args}`);
			await sleep(50);
		}
	}

	/** Waits for the text of an element. @param {string} selector @param {RegExp} words */
	async says(selector, words) {
		const limit = Date.now() + LIMIT;
		for (;;) {
			const text = await this.evaluate(
				(selector) => /** @type {HTMLElement} */ (document.querySelector(selector)).innerText,
				selector,
			);
			if (words.test(text.replace(/\s+/g, " "))) return;
			if (Date.now() > limit) throw new Error(`${selector} does not say ${words}: ${text}`);
			await sleep(50);
		}
	}

	/** Clicks a point of the page, in CSS pixels. @param {number} x @param {number} y */
	async click(x, y) {
		const mouse = [
			{ type: "pointerMove", x: Math.round(x), y: Math.round(y) },
			{ type: "pointerDown", button: 0 },
			{ type: "pointerUp", button: 0 },
		];
		const actions = [{ type: "pointer", id: "mouse", actions: mouse }];
		await this.firefox.send("input.performActions", { context: this.context, actions });
	}

	/** The colour of a pixel of the plain map's ground. @param {[number, number]} place degrees */
	ground(place) {
		return this.evaluate((place) => {
			const canvas = /** @type {HTMLCanvasElement} */ (document.querySelector(".outlines"));
			const { x, y } = window.livemap.project(place);
			const ratio = window.devicePixelRatio;
			const { data } = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")).getImageData(
				Math.round(x * ratio),
				Math.round(y * ratio),
				1,
				1,
			);
			return [...data].slice(0, 3);
		}, place);
	}

	close() {
		return this.firefox.send("browsingContext.close", { context: this.context });
	}
}
