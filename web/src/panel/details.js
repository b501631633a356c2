/**
 * details.js shows the telemetry of the selected vehicle, live.
 */
import { setText } from "../element.js";
import { ago, coordinates, dateTime, heading, speed, telemetry } from "../format.js";

/** @typedef {import("../fleet.js").Vehicle} Vehicle */

/** Properties of a feature that have a format of their own. */
const KNOWN = new Set(["vehicle_id", "timestamp", "speed_kmh", "heading", "accuracy"]);
const STATES = { moving: "Moving", parked: "Parked", silent: "Silent", gone: "Gone" };

/**
 * @typedef {object} Actions
 * @property {() => void} close
 * @property {() => void} show brings the vehicle into view
 * @property {(follow: boolean) => void} follow
 */

export class Details {
	/** @type {Map<string, HTMLElement>} */ #values = new Map();

	/** @param {HTMLElement} element @param {Actions} actions */
	constructor(element, actions) {
		this.element = element;
		element.innerHTML = `
			<header>
				<div><h2></h2><p class="state"></p></div>
				<button class="close" type="button" aria-label="Close the details">×</button>
			</header>
			<div class="actions">
				<button class="follow" type="button" aria-pressed="false">Follow</button>
				<button class="show" type="button" aria-label="Show on the map">Show</button>
				<button class="share" type="button">Copy link</button>
			</div>
			<div class="facts" tabindex="0" role="group" aria-label="Telemetry"><dl></dl></div>`;
		this.name = this.#part("h2");
		this.state = this.#part(".state");
		this.facts = this.#part("dl");
		this.followed = this.#part(".follow");
		this.share = this.#part(".share");
		this.#part(".close").addEventListener("click", actions.close);
		this.#part(".show").addEventListener("click", actions.show);
		this.followed.addEventListener("click", () =>
			actions.follow(this.followed.getAttribute("aria-pressed") !== "true"),
		);
		this.share.addEventListener("click", () => this.#copy());
	}

	/** @param {string} selector */
	#part(selector) {
		return /** @type {HTMLElement} */ (this.element.querySelector(selector));
	}

	async #copy() {
		try {
			await navigator.clipboard.writeText(location.href);
			this.share.textContent = "Copied";
		} catch {
			this.share.textContent = "Copy it from the address bar";
		}
		setTimeout(() => (this.share.textContent = "Copy link"), 2000);
	}

	/** @param {string | null} id @param {boolean} follow */
	open(id, follow) {
		this.element.hidden = id === null;
		this.followed.setAttribute("aria-pressed", String(follow));
		if (this.name.textContent !== id) {
			this.name.textContent = id;
			this.state.textContent = "";
			this.facts.replaceChildren();
			this.#values.clear();
		}
	}

	/** Whether the panel shows nothing of the vehicle yet. */
	get isBlank() {
		return this.state.textContent === "";
	}

	/** The vehicle is unknown or gone. @param {string} why */
	missing(why) {
		this.element.dataset.state = "gone";
		this.state.textContent = why;
	}

	/** @param {Vehicle} vehicle @param {import("../fleet.js").Fleet} fleet */
	update(vehicle, fleet) {
		const now = fleet.clock();
		const { properties, geometry } = vehicle.feature;
		const state = fleet.states()(vehicle);
		this.element.dataset.state = state;
		const age = ago(vehicle.age(now));
		const is = fleet.frozen ? `Was ${STATES[state].toLowerCase()}` : STATES[state];
		setText(this.state, `${is}, last fix ${age === "now" ? "just now" : age}`);
		/** @type {[string, string][]} */
		const facts = [];
		if (properties.speed_kmh !== undefined) {
			facts.push(["Speed", speed(properties.speed_kmh)]);
		}
		if (properties.heading !== undefined) {
			facts.push(["Heading", heading(properties.heading)]);
		}
		facts.push(["Position", coordinates(vehicle.lon, vehicle.lat)]);
		if (geometry.coordinates.length > 2) {
			facts.push(["Altitude", `${Math.round(geometry.coordinates[2])} m`]);
		}
		if (properties.accuracy !== undefined) {
			facts.push(["Accuracy", `± ${Math.round(properties.accuracy)} m`]);
		}
		facts.push(["Fix", dateTime(vehicle.time, now)]);
		for (const [name, value] of Object.entries(properties)) {
			if (!KNOWN.has(name)) {
				facts.push(telemetry(name, value));
			}
		}
		this.#show(facts);
	}

	/** @param {[string, string][]} facts */
	#show(facts) {
		const before = this.#values;
		this.#values = new Map();
		for (const [name, value] of facts) {
			let key = name;
			while (this.#values.has(key)) {
				key += "′"; // `battery_v` and `battery_percent` have the same label
			}
			const element = before.get(key) ?? this.#fact(name);
			before.delete(key);
			this.#values.set(key, element);
			setText(/** @type {HTMLElement} */ (element.lastElementChild), value);
		}
		before.forEach((element) => element.remove());
	}

	/** @param {string} name */
	#fact(name) {
		const element = document.createElement("div");
		element.append(
			Object.assign(document.createElement("dt"), { textContent: name }),
			document.createElement("dd"),
		);
		this.facts.append(element);
		return element;
	}
}
