/**
 * list.js shows the list of vehicles, with search, filter, sorting and keyboard navigation. The document
 * holds only the visible rows.
 */
import { setText } from "../element.js";
import { showId } from "../id.js";
import { ago, compass, count, speedOf } from "../format.js";
import { contains } from "../map/viewport.js";

/** @typedef {import("../fleet.js").Vehicle} Vehicle */
/** @typedef {import("../address.js").ViewState} ViewState */

/** Height of a row in CSS pixels. */
const ROW_HEIGHT = 52;
/** Seconds from which the summary says of when what was searched is. */
const SEARCH_NOTE_AGE = 5;
/** Rows rendered beyond the visible ones. */
const OVERSCAN = 4;

/** "TRUCK-9" comes before "TRUCK-10". */
const { compare } = new Intl.Collator("en", { numeric: true });

/** @type {Record<ViewState["sort"], ((a: Vehicle, b: Vehicle) => number) | null>} */
const COMPARATORS = {
	name: null, // the order of #byName
	speed: (a, b) => (b.speed ?? -1) - (a.speed ?? -1),
	heard: (a, b) => b.time - a.time,
};

/** Searches the id and all text in the telemetry. @param {string} q in lower case @param {Vehicle} vehicle */
function matches(q, vehicle) {
	return Object.values(vehicle.feature.properties).some(
		(v) => typeof v === "string" && v.toLowerCase().includes(q),
	);
}

export class List {
	/** @type {Vehicle[]} */ #rows = [];
	/**
	 * All vehicles by name, as of the fleet's `version`. Sorting 10,000 names takes 100 ms.
	 * @type {Vehicle[]}
	 */
	#byName = [];
	#version = -1;
	/** The row with the keyboard focus. @type {string | null} */ #active = null;
	/** @type {Map<string, HTMLElement>} */ #elements = new Map();

	/**
	 * @param {HTMLElement} element the listbox; its only child has the height of all rows
	 * @param {import("../fleet.js").Fleet} fleet
	 * @param {(id: string) => void} onSelect
	 */
	constructor(element, fleet, onSelect) {
		this.element = element;
		this.content = /** @type {HTMLElement} */ (element.firstElementChild);
		this.fleet = fleet;
		this.onSelect = onSelect;
		/** @type {string | null} */
		this.selected = null;
		element.addEventListener("scroll", () => this.#render(), { passive: true });
		element.addEventListener("keydown", (event) => this.#key(event));
		element.addEventListener("focus", () =>
			this.#activate(this.#active ?? this.selected ?? this.#rows[0]?.id),
		);
		element.addEventListener("click", (event) => {
			const row = /** @type {HTMLElement} */ (event.target).closest("[data-id]");
			if (row instanceof HTMLElement && row.dataset.id !== undefined) {
				this.#activate(row.dataset.id);
				this.onSelect(row.dataset.id);
			}
		});
		new ResizeObserver(() => this.#render()).observe(element);
	}

	/**
	 * Filters and sorts anew.
	 * @param {ViewState} viewState
	 * @param {import("../map/viewport.js").Box} bounds of the map
	 * @returns {number} the number of rows
	 */
	update({ q, filter, sort, inView }, bounds) {
		const query = q.trim().toLowerCase();
		const stateOf = this.fleet.states();
		if (this.#version !== this.fleet.version) {
			this.#version = this.fleet.version;
			this.#byName = [...this.fleet.vehicles.values()].sort((a, b) => compare(a.id, b.id));
		}
		this.#rows = this.#byName.filter(
			(v) =>
				(filter === "all" || stateOf(v) === filter) &&
				(!inView || contains(bounds, v)) &&
				(query === "" || matches(query, v)),
		);
		const order = COMPARATORS[sort];
		if (order) {
			this.#rows.sort(order); // a stable sort: equal vehicles stay sorted by name
		}
		this.#render();
		return this.#rows.length;
	}

	/** The id of the first row. */
	get first() {
		return this.#rows[0]?.id;
	}

	/** @param {string | null} id */
	select(id) {
		this.selected = id;
		this.#active = id ?? this.#active;
		this.#render();
	}

	/** Scrolls a row into view. @param {string} id */
	reveal(id) {
		const index = this.#rows.findIndex((v) => v.id === id);
		const { scrollTop, clientHeight } = this.element;
		if (
			index >= 0 &&
			(index * ROW_HEIGHT < scrollTop || (index + 1) * ROW_HEIGHT > scrollTop + clientHeight)
		) {
			this.element.scrollTop = index * ROW_HEIGHT - clientHeight / 2 + ROW_HEIGHT / 2;
		}
	}

	/** @param {string | undefined} id */
	#activate(id) {
		if (id !== undefined) {
			this.#active = id;
			this.reveal(id);
			this.#render();
		}
	}

	/** @param {KeyboardEvent} event */
	#key(event) {
		const at = this.#rows.findIndex((v) => v.id === this.#active);
		const page = Math.max(1, Math.floor(this.element.clientHeight / ROW_HEIGHT) - 1);
		const to = {
			ArrowDown: at + 1,
			ArrowUp: at - 1,
			PageDown: at + page,
			PageUp: at - page,
			Home: 0,
			End: this.#rows.length - 1,
		}[event.key];
		if (to !== undefined) {
			this.#activate(this.#rows[Math.max(0, Math.min(this.#rows.length - 1, to))]?.id);
		} else if ((event.key === "Enter" || event.key === " ") && at >= 0) {
			this.onSelect(this.#rows[at].id);
		} else {
			return;
		}
		event.preventDefault();
	}

	#render() {
		const { scrollTop, clientHeight } = this.element;
		const first = Math.max(0, Math.floor(scrollTop / ROW_HEIGHT) - OVERSCAN);
		const last = Math.min(
			this.#rows.length,
			Math.ceil((scrollTop + clientHeight) / ROW_HEIGHT) + OVERSCAN,
		);
		this.content.style.height = `${this.#rows.length * ROW_HEIGHT}px`;
		const now = this.fleet.clock();
		const stateOf = this.fleet.states();
		const before = this.#elements;
		this.#elements = new Map();
		for (let i = first; i < last; i++) {
			const vehicle = this.#rows[i];
			const element = before.get(vehicle.id) ?? row();
			before.delete(vehicle.id);
			this.#elements.set(vehicle.id, element);
			this.#fill(element, vehicle, stateOf(vehicle), i, now);
			if (!element.isConnected) {
				this.content.append(element);
			}
		}
		before.forEach((element) => element.remove());
		const active = this.#active !== null && this.#elements.get(this.#active);
		if (active) {
			this.element.setAttribute("aria-activedescendant", active.id);
		} else {
			this.element.removeAttribute("aria-activedescendant");
		}
	}

	/**
	 * @param {HTMLElement} element
	 * @param {Vehicle} vehicle
	 * @param {import("../fleet.js").State} state
	 * @param {number} i
	 * @param {number} now
	 */
	#fill(element, vehicle, state, i, now) {
		element.style.transform = `translateY(${i * ROW_HEIGHT}px)`;
		set(element, "id", `row-${i}`);
		set(element, "data-id", vehicle.id);
		set(element, "data-state", state);
		set(element, "data-active", String(vehicle.id === this.#active));
		set(element, "aria-selected", String(vehicle.id === this.selected));
		set(element, "aria-setsize", String(this.#rows.length));
		set(element, "aria-posinset", String(i + 1));
		const [, name, what, heard] = element.children;
		const tag = this.fleet.difference(vehicle.id);
		if (name.firstChild === null || element.dataset.tag !== tag) {
			showId(name, vehicle.id, tag); // an element stays that of its vehicle
			element.dataset.tag = tag;
		}
		setText(what, activity(vehicle, state, now));
		setText(heard, ago(now - vehicle.time));
	}
}

/**
 * What a vehicle does, as text.
 * @param {Vehicle} vehicle
 * @param {import("../fleet.js").State} state
 * @param {number} now
 */
export function activity(vehicle, state, now) {
	switch (state) {
		case "moving":
			return `${speedOf(vehicle)} ${directionOf(vehicle)}`.trim();
		case "parked":
			return vehicle.speedDerived ? "~ Parked" : "Parked";
		case "unknown":
			return "Speed unknown";
		case "silent":
			return now - vehicle.time < 172_800 ? "Silent" : "Silent for days";
	}
}

/** The direction of a vehicle, marked if it is a guess. @param {Vehicle} vehicle */
function directionOf({ course, courseDerived }) {
	return course === null ? "" : `${courseDerived ? "~" : ""}${compass(course)}`;
}

/**
 * The text over the list: how many vehicles it has, of how many, and where it looked for them.
 * @param {number} shown
 * @param {object} of
 * @param {number} of.all the vehicles that are known
 * @param {boolean} of.complete whether these are the whole fleet
 * @param {number} [of.age] seconds since the vehicles outside of the view were heard of
 * @param {boolean} [of.inView] whether only those in view were looked at
 * @param {boolean} [of.searched]
 */
export function summaryText(shown, { all, complete, age = 0, inView = false, searched = false }) {
	const fleet = `${count(all)} ${all === 1 ? "vehicle" : "vehicles"}${complete ? "" : " around here"}`;
	const parts = [shown === all && !searched ? fleet : `${count(shown)} of ${fleet}`];
	if (searched) {
		const where = inView ? "what is in view" : complete ? "the whole fleet" : "what is around here";
		const when = age < SEARCH_NOTE_AGE || inView || !complete ? "" : `, as of ${ago(age)}`;
		parts.push(`searched ${where}${when}`);
	} else if (inView) {
		parts.push("only in view");
	}
	return parts.join(" · ");
}

function row() {
	const element = document.createElement("div");
	element.setAttribute("role", "option");
	for (const name of ["lamp", "name", "what", "heard"]) {
		element.append(Object.assign(document.createElement("span"), { className: name }));
	}
	return element;
}

/** @param {Element} element @param {string} name @param {string} value */
function set(element, name, value) {
	if (element.getAttribute(name) !== value) {
		element.setAttribute(name, value);
	}
}
