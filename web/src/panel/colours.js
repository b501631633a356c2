/**
 * colours.js lets the reader choose what the vehicles' colours are of.
 */
import { colourable } from "../map/colouring.js";
import { TEXTS } from "../texts.js";
import { columnName } from "./columns.js";

/** @typedef {import("../address.js").ViewState} ViewState */

/**
 * Adds the choice to the options.
 * @param {HTMLDetailsElement} menu
 * @param {object} parts
 * @param {import("../fleet.js").Fleet} parts.fleet
 * @param {() => ViewState} parts.viewState
 * @param {(next: Partial<ViewState>) => void} parts.change
 */
export function bindColours(menu, { fleet, viewState, change }) {
	const fieldset = document.createElement("fieldset");
	const legend = document.createElement("legend");
	legend.textContent = TEXTS.legend.colours;
	const label = document.createElement("label");
	const select = document.createElement("select");
	select.id = "colour";
	label.append(`${TEXTS.legend.by} `, select);
	fieldset.append(legend, label);
	menu.querySelector("fieldset")?.after(fieldset);
	menu.addEventListener("toggle", () => {
		if (menu.open) {
			const { colour } = viewState();
			const names = new Set([...colourable(fleet.vehicles.values()), ...(colour ? [colour] : [])]);
			select.replaceChildren(
				new Option(TEXTS.legend.state, ""),
				...[...names].map((name) => new Option(nameOf(name), name)),
			);
			select.value = colour;
		}
	});
	select.addEventListener("change", () => change({ colour: select.value }));
}

/** @param {string} property */
const nameOf = (property) => (property === "kind" ? TEXTS.legend.kind : columnName(property));
