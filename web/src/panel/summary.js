/**
 * summary.js refreshes the list, the counts and the details. A fleet changes thousands of times a second; the
 * refresh runs a few times a second, and less often the longer it takes.
 */
import { element, setText } from "../element.js";
import { count } from "../format.js";
import { idText } from "../id.js";
import { TEXTS } from "../texts.js";
import { summaryText } from "./list.js";

const MIN_INTERVAL = 250; // ms
/** Pause after a refresh, in multiples of its duration. */
const SHARE = 10;
/** Milliseconds that a refresh waits for a frame of the map: one frame for both costs half. */
const FRAME_WAIT = 150;

export class Summary {
	#parts;
	#counts = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("[data-count]")]);
	#summary = element("summary", HTMLElement);
	#emptyText = element("empty-list", HTMLElement);
	#notBefore = 0; // the earliest next refresh, in ms of performance.now()
	/** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;

	/**
	 * @param {object} parts
	 * @param {import("../fleet.js").Fleet} parts.fleet
	 * @param {import("../filter.js").Filter} parts.filter
	 * @param {import("../livemap.js").Feed} parts.feed
	 * @param {import("./list.js").List} parts.list
	 * @param {import("./details.js").Details} parts.details
	 * @param {() => import("../address.js").ViewState} parts.viewState
	 * @param {import("../whole-fleet.js").WholeFleet} parts.wholeFleet
	 * @param {() => import("../map/viewport.js").Box} parts.bounds of the map
	 * @param {string | null} parts.publish where programs of this machine publish
	 */
	constructor(parts) {
		this.#parts = parts;
	}

	/** Schedules a refresh after a change of the fleet. */
	changed() {
		const wait = Math.max(0, this.#notBefore - performance.now());
		this.#timer ??= setTimeout(() => this.refresh(), wait + FRAME_WAIT);
	}

	/** Refreshes in a frame of the map, if that is due. */
	frame() {
		if (this.#timer !== undefined && performance.now() >= this.#notBefore) {
			this.refresh();
		}
	}

	refresh() {
		clearTimeout(this.#timer);
		this.#timer = undefined;
		const began = performance.now();
		const { fleet, filter, list, viewState, wholeFleet, bounds } = this.#parts;
		const { complete, asOf } = wholeFleet;
		const shown = list.update(viewState(), bounds());
		/** @type {Record<string, number>} */
		const numbers = fleet.counts(filter.inScope);
		for (const number of this.#counts) {
			const text = count(numbers[/** @type {string} */ (number.dataset.count)]);
			if (number.dataset.count === "unknown") {
				// Few fleets have such vehicles.
				const label = /** @type {HTMLElement} */ (number.closest("label, li"));
				label.hidden = numbers.unknown === 0 && viewState().filter !== "unknown";
			}
			setText(number, complete ? text : `${text}+`); // the rest of the fleet is not known yet
		}
		const text = summaryText(shown, {
			all: numbers.all,
			complete,
			age: asOf === null ? 0 : fleet.clock() - asOf,
			inView: viewState().inView,
			searched: viewState().q.trim() !== "",
		});
		setText(this.#summary, text);
		this.#explainEmpty(shown);
		this.#refreshDetails();
		const ended = performance.now();
		this.#notBefore = ended + Math.max(MIN_INTERVAL, SHARE * (ended - began));
	}

	/** Shows why the list is empty. @param {number} shown */
	#explainEmpty(shown) {
		const { feed, fleet, viewState, wholeFleet } = this.#parts;
		this.#emptyText.hidden = shown > 0 || feed.status.phase !== "live";
		const none = fleet.vehicles.size === 0 && wholeFleet.complete && viewState().q === "";
		const { publish } = this.#parts;
		const hint = none && publish !== null && onThisMachine();
		const text = emptyText(viewState(), fleet.vehicles.size > 0, wholeFleet.complete);
		const [why, command] = /** @type {HTMLElement[]} */ ([...this.#emptyText.children]);
		setText(why, hint ? TEXTS.empty.publish(text) : text);
		setText(command, hint ? firstPosition(publish) : "");
	}

	#refreshDetails() {
		const { feed, fleet, details, viewState } = this.#parts;
		const id = viewState().vehicle;
		if (id === null) {
			return;
		}
		const vehicle = fleet.vehicles.get(id);
		if (vehicle) {
			details.update(vehicle, fleet);
		} else if (feed.status.phase === "live" && details.isBlank) {
			details.missing(TEXTS.find.unknown);
		}
	}
}

/** Whether the page was opened on the hub's machine. */
const onThisMachine = () => /^(localhost|127\..*|\[::1\])$/.test(location.hostname);

/** The command that publishes a position. @param {string} address */
function firstPosition(address) {
	const body = '{"vehicle_id":"HELLO-1","lat":52.520008,"lon":13.404954,"speed_kmh":85,"heading":270}';
	return `curl ${address}/publish -H 'Content-Type: application/json' -d '${body}'`;
}

/**
 * Why the list is empty.
 * @param {import("../address.js").ViewState} viewState
 * @param {boolean} known whether any vehicle is known
 * @param {boolean} complete whether the whole fleet is
 */
function emptyText({ q, filter, inView, groups, only }, known, complete) {
	if (q !== "") {
		return TEXTS.empty.search(idText(q));
	}
	if (known || groups.length > 0 || only.length > 0) {
		return TEXTS.empty.filter(filter, inView);
	}
	return complete ? TEXTS.empty.none : TEXTS.empty.around;
}
