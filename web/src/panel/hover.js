/**
 * hover.js shows a card beside the vehicle, or the cluster, under the pointer.
 */
import { setText } from "../element.js";
import { count } from "../format.js";
import { showId } from "../id.js";
import { TEXTS } from "../texts.js";
import { rowTexts } from "./columns.js";

/** @typedef {import("../map/clusters.js").Marker} Marker */
/** @typedef {import("../map/clusters.js").Cluster} Cluster */

/** CSS pixels from the marker to the card. */
const OFFSET = 20;
/** The most silent vehicles of a cluster that are named. */
const MAX_NAMED = 4;
const COLUMNS = ["activity", "heard", "label", "driver", "line", "place"];

export class HoverCard {
	#element;
	#parts;
	#name;
	#lines;
	/** @type {string} */ #shown = "";

	/**
	 * @param {HTMLElement} element
	 * @param {{fleet: import("../fleet.js").Fleet, places: import("../places.js").Places}} parts
	 */
	constructor(element, parts) {
		this.#element = element;
		this.#parts = parts;
		this.#name = document.createElement("b");
		this.#lines = [1, 2, 3].map(() => document.createElement("bdi"));
		element.append(this.#name, ...this.#lines);
	}

	/** Shows a marker or a cluster, or nothing. @param {{marker?: Marker, cluster?: Cluster}} under */
	show({ marker, cluster }) {
		this.#element.hidden = !marker && !cluster;
		if (marker) {
			this.#showVehicle(marker);
			this.#place(marker.left, marker.top, OFFSET);
		} else if (cluster) {
			this.#showCluster(cluster);
			this.#place(cluster.left, cluster.top, cluster.radius + OFFSET / 2);
		}
	}

	hide() {
		this.show({});
	}

	/** @param {Marker} marker */
	#showVehicle({ vehicle, state }) {
		const { fleet, places } = this.#parts;
		const of = { now: fleet.clock(), asOf: fleet.until(), columns: COLUMNS, places, near: null };
		const { what, heard, about } = rowTexts(vehicle, { ...of, state });
		const tag = fleet.difference(vehicle.id);
		if (this.#shown !== `${tag} ${vehicle.id}`) {
			this.#shown = `${tag} ${vehicle.id}`;
			showId(this.#name, vehicle.id, tag);
		}
		const kind = vehicle.kind ?? vehicle.topicKind;
		const facts = [kind && TEXTS.kinds[kind], about].filter(Boolean).join(" · ");
		this.#text([what, facts, TEXTS.hover.heard(heard)]);
	}

	/** @param {Cluster} cluster */
	#showCluster({ markers, states }) {
		this.#shown = "";
		setText(this.#name, TEXTS.hover.vehicles(count(markers.length)));
		const parts = /** @type {const} */ (["moving", "parked", "unknown", "silent"])
			.filter((state) => states[state] > 0)
			.map((state) => TEXTS.hover.states[state](count(states[state])));
		const silent = markers.filter(({ state }) => state === "silent").map(({ vehicle }) => vehicle.id);
		const rest = silent.length - MAX_NAMED;
		const named = silent.slice(0, MAX_NAMED).join(", ");
		this.#text([parts.join(" · "), named && TEXTS.hover.silent(named, Math.max(0, rest)), ""]);
	}

	/** @param {string[]} texts */
	#text(texts) {
		texts.forEach((text, i) => setText(this.#lines[i], text));
	}

	/** Beside a place, within the map. @param {number} left @param {number} top @param {number} away */
	#place(left, top, away) {
		const { offsetWidth, offsetHeight, parentElement } = this.#element;
		const { clientWidth = 0, clientHeight = 0 } = parentElement ?? {};
		const x = left + away + offsetWidth < clientWidth ? left + away : left - away - offsetWidth;
		const y = Math.max(4, Math.min(clientHeight - offsetHeight - 4, top + away / 2));
		this.#element.style.transform = `translate(${Math.round(Math.max(4, x))}px, ${Math.round(y)}px)`;
	}
}
