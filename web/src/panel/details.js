/**
 * details.js shows the telemetry of the selected vehicle, live.
 */
import { setText } from "../element.js";
import {
	ago,
	coordinates,
	count,
	dateTime,
	heading,
	metres,
	shortened,
	speedOf,
	telemetry,
} from "../format.js";
import { showId } from "../id.js";
import { TEXTS } from "../texts.js";
import { placeOf } from "./columns.js";

/** @typedef {import("../fleet.js").Vehicle} Vehicle */

/** Properties of a feature that have a format of their own. */
const KNOWN = new Set(["vehicle_id", "timestamp", "speed_kmh", "heading", "accuracy"]);

/**
 * @typedef {object} Actions
 * @property {() => void} close
 * @property {() => void} show brings the vehicle into view
 * @property {(follow: boolean) => void} follow
 */

export class Details {
	/** @type {string | null} */ #id = null;
	/** @type {Map<string, Fact>} */ #values = new Map();

	/**
	 * @param {HTMLElement} element
	 * @param {import("../places.js").Places} places
	 * @param {Actions} actions
	 */
	constructor(element, places, actions) {
		this.element = element;
		this.places = places;
		element.innerHTML = `
			<header>
				<div><h2></h2><p class="state"></p></div>
				<button class="close" type="button" aria-label="${TEXTS.details.close}">×</button>
			</header>
			<div class="actions">
				<button class="follow" type="button" aria-pressed="false">${TEXTS.details.follow}</button>
				<button class="show" type="button" aria-label="${TEXTS.details.showOnMap}">${TEXTS.details.show}</button>
				<button class="share" type="button">${TEXTS.details.copy}</button>
			</div>
			<div class="facts" tabindex="0" role="group" aria-label="${TEXTS.details.telemetry}"><dl></dl></div>`;
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
			this.share.textContent = TEXTS.details.copied;
		} catch {
			this.share.textContent = TEXTS.details.copyYourself;
		}
		setTimeout(() => (this.share.textContent = TEXTS.details.copy), 2000);
	}

	/** @param {string | null} id @param {boolean} follow */
	open(id, follow) {
		this.element.hidden = id === null;
		this.followed.setAttribute("aria-pressed", String(follow));
		if (this.#id !== id) {
			this.#id = id;
			showId(this.name, id ?? "");
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
		const tag = fleet.difference(vehicle.id);
		if (this.name.dataset.tag !== tag) {
			showId(this.name, vehicle.id, tag);
			this.name.dataset.tag = tag;
		}
		const age = ago(now - vehicle.time);
		const is = fleet.frozen ? TEXTS.details.was(state) : TEXTS.details.states[state];
		setText(this.state, TEXTS.details.fixed(is, age === TEXTS.time.now ? "" : age));
		/** @type {[string, string][]} */
		const facts = [];
		facts.push([TEXTS.details.speed, speedOf(vehicle)]);
		if (vehicle.course !== null) {
			facts.push([TEXTS.details.heading, `${vehicle.courseDerived ? "~" : ""}${heading(vehicle.course)}`]);
		}
		facts.push([TEXTS.details.position, coordinates(vehicle.lon, vehicle.lat)]);
		const place = placeOf(vehicle, this.places);
		if (place !== "") {
			facts.push([TEXTS.columns.place, place]);
		}
		if (geometry.coordinates.length > 2) {
			facts.push([TEXTS.details.altitude, metres(geometry.coordinates[2])]);
		}
		if (properties.accuracy !== undefined) {
			facts.push([TEXTS.details.accuracy, `± ${metres(properties.accuracy)}`]);
		}
		facts.push([TEXTS.details.fix, dateTime(vehicle.time, now)]);
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
			const fact = before.get(key) ?? new Fact(name);
			before.delete(key);
			const place = this.facts.children[this.#values.size];
			if (place !== fact.element) {
				this.facts.insertBefore(fact.element, place ?? null);
			}
			this.#values.set(key, fact);
			fact.show(value);
		}
		before.forEach(({ element }) => element.remove());
	}
}

/** Fact is a line of the details. A long value is shortened until the reader asks for more. */
class Fact {
	element = document.createElement("div");
	#value = document.createElement("bdi"); // a value cannot reorder what is around it
	#more = Object.assign(document.createElement("button"), { type: "button", className: "more" });
	#text = "";
	#whole = false;

	/** @param {string} name */
	constructor(name) {
		const value = document.createElement("dd");
		value.append(this.#value);
		const label = document.createElement("dt");
		label.append(Object.assign(document.createElement("bdi"), { textContent: shortened(name) }));
		this.element.append(label, value);
		this.#more.addEventListener("click", () => {
			this.#whole = !this.#whole;
			this.show(this.#text);
		});
	}

	/** @param {string} text */
	show(text) {
		const short = shortened(text);
		this.#text = text;
		setText(this.#value, this.#whole ? text : short);
		if (short === text) {
			this.#more.remove();
			return;
		}
		setText(this.#more, this.#whole ? TEXTS.details.less : TEXTS.details.more(count(text.length)));
		this.#more.setAttribute("aria-expanded", String(this.#whole));
		if (this.#more.parentNode === null) {
			this.#value.after(this.#more);
		}
	}
}
