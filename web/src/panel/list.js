/**
 * list.js shows the list of vehicles: those that the filter shows, sorted, with the keyboard and a choice of
 * several. The document holds only the visible rows.
 */
import { setText } from "../element.js";
import { ago, count } from "../format.js";
import { distance } from "../geodesy.js";
import { showId } from "../id.js";
import { contains } from "../map/viewport.js";
import { LANGUAGE, TEXTS } from "../texts.js";
import { columnsOf, rowTexts } from "./columns.js";

/** @typedef {import("../fleet.js").Vehicle} Vehicle */
/** @typedef {import("../fleet.js").State} State */
/** @typedef {import("../address.js").ViewState} ViewState */

/** Height of a row in CSS pixels. */
const ROW_HEIGHT = 52;
/** Seconds from which the summary says of when what was searched is. */
const SEARCH_NOTE_AGE = 5;
/** Milliseconds that a finger rests on a row to choose it, and the CSS pixels that it may move meanwhile. */
const LONG_PRESS = 500;
const REST = 10;
/** Rows rendered beyond the visible ones. */
const OVERSCAN = 4;

/** "TRUCK-9" comes before "TRUCK-10". */
const { compare } = new Intl.Collator(LANGUAGE, { numeric: true });

/**
 * What the rows are sorted by, the least first.
 * @type {Record<ViewState["sort"], ((v: Vehicle, state: State, near: ViewState["near"]) => number) | null>}
 */
const KEYS = {
	name: null, // the order of #byName
	speed: (v) => -(v.speed ?? -1),
	heard: (v) => -v.time,
	silent: (v) => v.time,
	parked: (v, state) => (state === "parked" ? v.standsSince.time : Infinity),
	distance: (v, _, near) => (near ? distance(near, v) : 0),
};

/**
 * Sorts rows. Equal vehicles stay in their order.
 * @param {Vehicle[]} rows
 * @param {Pick<ViewState, "sort" | "near">} by
 * @param {(vehicle: Vehicle) => State} stateOf
 */
export function sorted(rows, { sort, near }, stateOf) {
	const key = KEYS[sort];
	if (!key) {
		return rows;
	}
	const keys = new Map(rows.map((v) => [v, key(v, stateOf(v), near)]));
	/** @param {Vehicle} v */
	const of = (v) => /** @type {number} */ (keys.get(v));
	return rows.sort((a, b) => (of(a) === of(b) ? 0 : of(a) - of(b)));
}

/**
 * @typedef {object} Parts
 * @property {import("../fleet.js").Fleet} fleet
 * @property {import("../filter.js").Filter} filter
 * @property {import("../places.js").Places} places
 * @property {(id: string) => void} onSelect
 * @property {(chosen: Set<string>) => void} onChoose several vehicles are chosen, or none
 */

export class List {
	/** The vehicles that are chosen together. @type {Set<string>} */
	chosen = new Set();
	/** Whether a tap or click on a row chooses it together with the others. */
	choosing = false;
	/** @type {Vehicle[]} */ #rows = [];
	/**
	 * All vehicles by name, as of the fleet's `version`. Sorting 10,000 names takes 100 ms.
	 * @type {Vehicle[]}
	 */
	#byName = [];
	#version = -1;
	/** The row with the keyboard focus. @type {string | null} */ #active = null;
	/** Where a range of chosen rows begins. @type {string | null} */ #anchor = null;
	/** @type {Map<string, HTMLElement>} */ #elements = new Map();
	/** @type {string[]} */ #columns = [];
	/** @type {ViewState["near"]} */ #near = null;
	/** What the rows are chosen and sorted by, as text. */
	#content = "";

	/**
	 * @param {HTMLElement} element the listbox; its only child has the height of all rows
	 * @param {Parts} parts
	 */
	constructor(element, { fleet, filter, places, onSelect, onChoose }) {
		this.element = element;
		this.content = /** @type {HTMLElement} */ (element.firstElementChild);
		this.fleet = fleet;
		this.filter = filter;
		this.places = places;
		this.onSelect = onSelect;
		this.onChoose = onChoose;
		/** @type {string | null} */
		this.selected = null;
		element.addEventListener("scroll", () => this.#render(), { passive: true });
		element.addEventListener("keydown", (event) => this.#key(event));
		let pressed = false; // a press gives the focus before its task ends
		element.addEventListener("mousedown", () => {
			pressed = true;
			setTimeout(() => (pressed = false));
		});
		element.addEventListener("focus", () => {
			if (pressed) {
				return; // a row that scrolls away under the pointer is not the one that is clicked
			}
			const there = [this.#active, this.selected].find((id) => this.#rows.some((v) => v.id === id));
			this.#activate(there ?? this.#rows[0]?.id);
		});
		element.addEventListener("click", (event) => this.#click(event));
		onLongPress(element, ({ target }) => {
			const id = idOfRow(target);
			if (id !== undefined && !this.chosen.has(id)) {
				this.choosing = true;
				this.choose([...this.chosen, id]);
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
	update(viewState, bounds) {
		const stateOf = this.fleet.states();
		if (this.#version !== this.fleet.version) {
			this.#version = this.fleet.version;
			this.#byName = [...this.fleet.vehicles.values()].sort((a, b) => compare(a.id, b.id));
		}
		this.#rows = this.#byName.filter(
			(v) => (!viewState.inView || contains(bounds, v)) && this.filter.shows(v, stateOf(v)),
		);
		sorted(this.#rows, viewState, stateOf);
		this.#columns = columnsOf(viewState.columns);
		this.#near = viewState.near;
		const { q, sort, near, filter, groups, only, inView } = viewState;
		const content = JSON.stringify([q, sort, near, filter, groups, only, inView]);
		if (this.#content !== content) {
			this.element.scrollTop = 0; // another list begins with its first row
			this.#content = content;
		}
		this.#render();
		return this.#rows.length;
	}

	/** The vehicles of the rows, in their order. */
	get vehicles() {
		return this.#rows;
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

	/** @param {MouseEvent} event */
	#click(event) {
		const id = idOfRow(event.target);
		if (id === undefined) {
			return;
		}
		const from = this.#anchor ?? this.selected ?? this.#active ?? id;
		this.#activate(id);
		if (event.shiftKey) {
			this.#chooseRange(from, id);
		} else if (event.ctrlKey || event.metaKey || this.choosing) {
			this.#toggle(id);
		} else {
			this.#anchor = id;
			this.choose([]);
			this.onSelect(id);
		}
	}

	/** Lets taps and clicks choose several, or ends that and chooses none. @param {boolean} choosing */
	setChoosing(choosing) {
		this.choosing = choosing;
		this.choose([]);
	}

	/** Chooses these vehicles together, instead of the others. @param {Iterable<string>} ids */
	choose(ids) {
		this.chosen = new Set(ids);
		this.#render();
		this.onChoose(this.chosen);
	}

	/** @param {string} id */
	#toggle(id) {
		const alone = this.chosen.size > 0 || this.choosing || this.selected === null;
		const first = alone ? [] : [/** @type {string} */ (this.selected)];
		const chosen = new Set([...first, ...this.chosen]);
		if (!chosen.delete(id)) {
			chosen.add(id);
		}
		this.#anchor = id;
		this.choose(chosen);
	}

	/** @param {string} from @param {string} to */
	#chooseRange(from, to) {
		const [a, b] = [from, to].map((id) => this.#rows.findIndex((v) => v.id === id));
		this.#anchor = from;
		this.choose(this.#rows.slice(Math.max(0, Math.min(a, b)), Math.max(a, b) + 1).map((v) => v.id));
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
		const command = event.ctrlKey || event.metaKey;
		if (to !== undefined) {
			const from = this.#anchor ?? this.#active;
			this.#activate(this.#rows[Math.max(0, Math.min(this.#rows.length - 1, to))]?.id);
			if (!event.shiftKey) {
				this.#anchor = null;
			} else if (from !== null && this.#active !== null) {
				this.#chooseRange(from, this.#active);
			}
		} else if (command && event.key === "a") {
			this.choose(this.#rows.map((v) => v.id));
		} else if (command && event.key === " " && at >= 0) {
			this.#toggle(this.#rows[at].id);
		} else if (event.key === "Escape" && (this.chosen.size > 0 || this.choosing)) {
			event.stopPropagation();
			this.setChoosing(false);
		} else if ((event.key === "Enter" || event.key === " ") && at >= 0) {
			this.choose([]);
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
		const of = {
			now: this.fleet.clock(),
			asOf: this.fleet.until(),
			columns: this.#columns,
			places: this.places,
			near: this.#near,
		};
		const stateOf = this.fleet.states();
		const before = this.#elements;
		this.#elements = new Map();
		for (let i = first; i < last; i++) {
			const vehicle = this.#rows[i];
			const element = before.get(vehicle.id) ?? row();
			before.delete(vehicle.id);
			this.#elements.set(vehicle.id, element);
			this.#fill(element, vehicle, i, { ...of, state: stateOf(vehicle) });
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
	 * @param {number} i
	 * @param {Parameters<typeof rowTexts>[1]} of
	 */
	#fill(element, vehicle, i, of) {
		element.style.transform = `translateY(${i * ROW_HEIGHT}px)`;
		set(element, "id", `row-${i}`);
		set(element, "data-id", vehicle.id);
		set(element, "data-state", of.state);
		set(element, "data-active", String(vehicle.id === this.#active));
		set(element, "aria-selected", String(vehicle.id === this.selected || this.chosen.has(vehicle.id)));
		set(element, "aria-setsize", String(this.#rows.length));
		set(element, "aria-posinset", String(i + 1));
		const [, name, what, heard, about] = element.children;
		const tag = this.fleet.difference(vehicle.id);
		if (name.firstChild === null || element.dataset.tag !== tag) {
			showId(name, vehicle.id, tag); // an element stays that of its vehicle
			element.dataset.tag = tag;
		}
		const texts = rowTexts(vehicle, of);
		setText(what, texts.what);
		setText(heard, texts.heard);
		setText(about, texts.about);
	}
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
	const { summary } = TEXTS;
	const fleet = summary.fleet(count(all), all, complete);
	const parts = [shown === all && !searched ? fleet : summary.of(count(shown), fleet)];
	if (searched) {
		const fresh = age < SEARCH_NOTE_AGE || inView || !complete;
		parts.push(summary.searched(inView ? "view" : complete ? "fleet" : "around", fresh ? "" : ago(age)));
	} else if (inView) {
		parts.push(summary.inView);
	}
	return parts.join(" · ");
}

/** @param {EventTarget | null} target @returns {string | undefined} */
function idOfRow(target) {
	const row = target instanceof Element ? target.closest("[data-id]") : null;
	return row instanceof HTMLElement ? row.dataset.id : undefined;
}

/**
 * Calls a function when a finger rests on an element. That press is no tap then.
 * @param {HTMLElement} element
 * @param {(event: PointerEvent) => void} pressed
 */
function onLongPress(element, pressed) {
	/** @type {ReturnType<typeof setTimeout> | undefined} */
	let timer;
	let from = { x: 0, y: 0 };
	let done = false;
	element.addEventListener("pointerdown", (event) => {
		done = false;
		clearTimeout(timer);
		if (event.pointerType === "touch" && event.isPrimary) {
			from = { x: event.clientX, y: event.clientY };
			timer = setTimeout(() => {
				done = true;
				pressed(event);
			}, LONG_PRESS);
		}
	});
	element.addEventListener("pointermove", ({ clientX, clientY }) => {
		if (Math.hypot(clientX - from.x, clientY - from.y) > REST) {
			clearTimeout(timer);
		}
	});
	for (const type of ["pointerup", "pointercancel"]) {
		element.addEventListener(type, () => clearTimeout(timer));
	}
	element.addEventListener("contextmenu", (event) => done && event.preventDefault());
	element.addEventListener("click", (event) => done && event.stopImmediatePropagation(), { capture: true });
}

function row() {
	const element = document.createElement("div");
	element.setAttribute("role", "option");
	for (const name of ["lamp", "name", "what", "heard", "about"]) {
		// Telemetry cannot reorder what is around it.
		const tag = name === "about" ? "bdi" : "span";
		element.append(Object.assign(document.createElement(tag), { className: name }));
	}
	return element;
}

/** @param {Element} element @param {string} name @param {string} value */
function set(element, name, value) {
	if (element.getAttribute(name) !== value) {
		element.setAttribute(name, value);
	}
}
