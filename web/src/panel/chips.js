/**
 * chips.js shows by what the vehicles are chosen, the groups that can be chosen, and what a search text may
 * mean beside vehicles: a group, a town, coordinates.
 */
import { element, setText } from "../element.js";
import { count } from "../format.js";
import { coordinates } from "../format.js";
import { parseCoordinates } from "../geodesy.js";
import { byKind, nameOf } from "../groups.js";
import { fold, wordsOf } from "../search.js";
import { LANGUAGE, TEXTS } from "../texts.js";

/** @typedef {import("../address.js").ViewState} ViewState */

/** The most suggestions of a kind, and the most groups of a kind that are offered. */
const MAX_SUGGESTIONS = 3;
const MAX_GROUPS = 24;

/** @type {Intl.DisplayNames | undefined} */
let countries;

/** @param {string} code of ISO 3166 */
function countryName(code) {
	countries ??= new Intl.DisplayNames(LANGUAGE, { type: "region" });
	return /^[A-Z]{2}$/.test(code) ? countries.of(code) : code;
}

/** "kind: bus" of "kind:bus". @param {string} topic */
const groupName = (topic) => topic.replace(/^([^:]+):(?=.)/, "$1: ");

/**
 * @typedef {object} Parts
 * @property {import("../groups.js").Groups} groups
 * @property {import("../places.js").Places} places
 * @property {() => ViewState} viewState
 * @property {(next: Partial<ViewState>) => void} change
 * @property {(place: {lon: number, lat: number, name: string}) => void} goTo
 * @property {() => {lon: number, lat: number}} middle of the map
 * @property {() => void} locate goes to the reader's position
 */

export class Chips {
	#parts;
	#chips = element("chips", HTMLElement);
	#groups = element("groups", HTMLDetailsElement);
	#suggestions = element("suggestions", HTMLElement);
	#shown = "";

	/** @param {Parts} parts */
	constructor(parts) {
		this.#parts = parts;
		this.#groups.addEventListener("click", (event) => {
			const { topic } = /** @type {HTMLElement} */ (event.target).closest("button")?.dataset ?? {};
			if (topic !== undefined) {
				const chosen = new Set(parts.viewState().groups);
				if (!chosen.delete(topic)) {
					chosen.add(topic);
				}
				parts.change({ groups: [...chosen] });
			}
		});
	}

	/** Shows the view state, and what can be chosen. */
	update() {
		const { viewState, groups } = this.#parts;
		const { groups: chosen, only, near, q } = viewState();
		const shown = JSON.stringify([chosen, only, near, q, groups.all]);
		if (shown !== this.#shown) {
			this.#shown = shown;
			this.#showChips(viewState());
			this.#showGroups(chosen);
			this.suggest(q);
		}
	}

	/** @param {ViewState} viewState */
	#showChips({ groups, only, near, sort }) {
		const { change } = this.#parts;
		/** @type {[string, () => void][]} */
		const chips = groups.map((topic) => [
			groupName(topic),
			() => change({ groups: groups.filter((other) => other !== topic) }),
		]);
		if (only.length > 0) {
			chips.push([TEXTS.chips.only(only.length), () => change({ only: [] })]);
		}
		if (near) {
			const name = near.name || coordinates(near.lon, near.lat);
			chips.push([
				TEXTS.chips.near(name),
				() => change({ near: null, sort: sort === "distance" ? "name" : sort }),
			]);
		}
		this.#chips.hidden = chips.length === 0;
		this.#chips.replaceChildren(
			...chips.map(([text, remove]) => {
				const chip = button(text, "chip");
				chip.setAttribute("aria-label", TEXTS.chips.remove(text));
				chip.append(Object.assign(document.createElement("span"), { textContent: "×" }));
				chip.addEventListener("click", remove);
				return chip;
			}),
		);
	}

	/** @param {string[]} chosen */
	#showGroups(chosen) {
		const { all } = this.#parts.groups;
		this.#groups.hidden = all.length === 0;
		const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset.topic;
		const parts = [...byKind(all)].map(([kind, topics]) => {
			const part = document.createElement("div");
			part.setAttribute("role", "group");
			part.setAttribute("aria-label", kind || TEXTS.chips.other);
			part.append(Object.assign(document.createElement("b"), { textContent: kind || TEXTS.chips.other }));
			const most = topics.toSorted((a, b) => b.vehicles - a.vehicles).slice(0, MAX_GROUPS);
			for (const { id, vehicles } of topics.filter((topic) => most.includes(topic))) {
				const chip = button(nameOf(id), "chip");
				chip.dataset.topic = id;
				chip.setAttribute("aria-pressed", String(chosen.includes(id)));
				chip.append(" ", Object.assign(document.createElement("small"), { textContent: count(vehicles) }));
				part.append(chip);
			}
			return part;
		});
		/** @type {HTMLElement} */ (this.#groups.lastElementChild).replaceChildren(...parts);
		if (focused !== undefined) {
			const again = [...this.#groups.querySelectorAll("button")].find((b) => b.dataset.topic === focused);
			again?.focus();
		}
	}

	/** Suggests what a text may mean. @param {string} q */
	suggest(q) {
		const suggestions = this.#suggestionsOf(q);
		this.#suggestions.hidden = suggestions.length === 0;
		this.#suggestions.replaceChildren(
			...suggestions.map(([text, choose]) => {
				const line = document.createElement("li");
				const choice = button(text, "suggestion");
				choice.addEventListener("click", choose);
				line.append(choice);
				return line;
			}),
		);
	}

	/** Takes the first suggestion. @returns {boolean} whether there is one */
	takeFirst() {
		const first = this.#suggestions.querySelector("button");
		first?.click();
		return first !== null;
	}

	/** @param {string} q @returns {[string, () => void][]} texts, and what they do */
	#suggestionsOf(q) {
		const { groups, places, viewState, change, goTo, middle, locate } = this.#parts;
		const words = wordsOf(q);
		if (words.length === 0) {
			return [];
		}
		const place = parseCoordinates(q);
		if (place) {
			const name = coordinates(place.lon, place.lat);
			return [[TEXTS.search.place(name), () => goTo({ ...place, name: "" })]];
		}
		/** @param {string} text */
		const matches = (text) => words.every((word) => fold(text).includes(word));
		const { groups: chosen } = viewState();
		/** @type {[string, () => void][]} */
		const ofGroups = groups.all
			.filter(({ id }) => !chosen.includes(id) && matches(id))
			.slice(0, MAX_SUGGESTIONS)
			.map(({ id }) => [
				TEXTS.search.group(groupName(id)),
				() => change({ groups: [...chosen, id], q: "" }),
			]);
		/** @type {[string, () => void][]} */
		const ofPlaces = q.trim().length < 2 ? [] : places.find(q, MAX_SUGGESTIONS).map((town) => [
			TEXTS.search.place(`${town.name}, ${countryName(town.country)}`),
			() => goTo(town),
		]);
		/** @type {[string, () => void][]} */
		const ofHere = [
			[TEXTS.search.here, () => goTo({ ...middle(), name: TEXTS.search.middle })],
			[TEXTS.search.me, locate],
		];
		return [...ofGroups, ...ofPlaces, ...ofHere.filter(([text]) => q.trim().length > 1 && matches(text))];
	}
}

/** @param {string} text @param {string} className */
function button(text, className) {
	const made = Object.assign(document.createElement("button"), { type: "button", className });
	const isolated = document.createElement("bdi");
	setText(isolated, text);
	made.append(isolated);
	return made;
}
