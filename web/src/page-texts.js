/**
 * page-texts.js gives the elements of index.html their texts. It is a script of its own, so that it waits for
 * no other module.
 */
import { LANGUAGE, TEXTS } from "./texts.js";

/** Attributes that are texts. */
const ATTRIBUTES = /** @type {const} */ (["aria-label", "title", "placeholder"]);

/** @param {string} path such as "panel.search" */
const text = (path) => path.split(".").reduce((texts, name) => texts[name], /** @type {any} */ (TEXTS));

document.documentElement.lang = LANGUAGE;
for (const element of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-text]"))) {
	element.prepend(text(/** @type {string} */ (element.dataset.text)));
}
for (const name of ATTRIBUTES) {
	for (const element of document.querySelectorAll(`[data-${name}]`)) {
		element.setAttribute(name, text(/** @type {string} */ (element.getAttribute(`data-${name}`))));
	}
}
