/**
 * options.js lets the reader choose columns and units, export the list, and see the keys.
 */
import { element } from "../element.js";
import { csvOf, download, geojsonOf } from "../export.js";
import { changeSettings, settings } from "../settings.js";
import { bindColours } from "./colours.js";
import { columnName, columnsOf, knownColumns } from "./columns.js";

/** @typedef {import("../address.js").ViewState} ViewState */

/** CSS pixels under the menu, and the least of its height where it is shown under its button. */
const MARGIN = 20;
const LEAST = 240;

/** Files by the value of their button. */
const FILES = {
	csv: { type: "text/csv", write: csvOf },
	geojson: { type: "application/geo+json", write: geojsonOf },
};

/**
 * @param {object} parts
 * @param {import("../fleet.js").Fleet} parts.fleet
 * @param {import("./list.js").List} parts.list
 * @param {() => ViewState} parts.viewState
 * @param {(next: Partial<ViewState>) => void} parts.change
 */
export function bindOptions({ fleet, list, viewState, change }) {
	const menu = element("options", HTMLDetailsElement);
	const columns = element("columns", HTMLFieldSetElement);
	const help = element("help", HTMLDialogElement);
	const selects = /** @type {HTMLSelectElement[]} */ ([...menu.querySelectorAll("select")]);
	bindColours(menu, { fleet, viewState, change });
	menu.addEventListener("toggle", () => {
		if (menu.open) {
			const below = window.innerHeight - menu.getBoundingClientRect().bottom - MARGIN;
			menu.style.setProperty("--below", below < LEAST ? "" : `${below}px`); // it covers no control
			const chosen = columnsOf(viewState().columns);
			const all = [...new Set([...knownColumns(fleet.vehicles.values()), ...chosen])];
			columns.replaceChildren(columns.children[0], ...all.map((name) => checkbox(name, chosen)));
			for (const select of selects) {
				select.value = settings[/** @type {"speed"} */ (select.name)];
			}
		}
	});
	columns.addEventListener("change", () => {
		const boxes = /** @type {HTMLInputElement[]} */ ([...columns.querySelectorAll("input")]);
		const chosen = boxes.filter((box) => box.checked).map((box) => box.value);
		changeSettings({ columns: chosen });
		change({ columns: chosen });
	});
	for (const select of selects) {
		select.addEventListener("change", () => changeSettings({ [select.name]: select.value }));
	}
	menu.addEventListener("click", (event) => {
		const { value } = /** @type {Element} */ (event.target).closest("button") ?? {};
		if (value === "csv" || value === "geojson") {
			const { type, write } = FILES[value];
			const time = new Date().toISOString().slice(0, 19).replaceAll(":", "");
			download(`vehicles-${time}.${value}`, type, write(list.vehicles));
			menu.open = false;
		} else if (value === "choose") {
			menu.open = false;
			list.setChoosing(true);
		} else if (value === "help") {
			help.showModal();
		}
	});
	menu.addEventListener("keydown", (event) => {
		if (event.key === "Escape" && menu.open) {
			event.stopPropagation();
			menu.open = false;
			menu.querySelector("summary")?.focus();
		}
	});
	document.addEventListener("click", ({ target }) => {
		menu.open &&= menu.contains(/** @type {Node} */ (target));
	});
	return { showHelp: () => help.showModal() };
}

/** @param {string} name @param {string[]} chosen */
function checkbox(name, chosen) {
	const box = Object.assign(document.createElement("input"), { type: "checkbox", value: name });
	box.checked = chosen.includes(name);
	const label = document.createElement("label");
	label.append(box, ` ${columnName(name)}`);
	return label;
}
