/**
 * element.js finds and writes what is in the document.
 */

/** The element of an id. @template {HTMLElement} T @param {string} id @param {new () => T} type @returns {T} */
export function element(id, type) {
	const found = document.getElementById(id);
	if (!(found instanceof type)) {
		throw new Error(`the page has no ${id}`);
	}
	return found;
}

/** Writes only what is new, so that screen readers and layout rest. @param {Element} element @param {string} text */
export function write(element, text) {
	if (element.textContent !== text) {
		element.textContent = text;
	}
}

/** Words over the map. @param {string} words @param {number} [ms] how long; default: until others come */
export function notice(words, ms) {
	const place = element("notice", HTMLElement);
	write(place, words);
	place.hidden = words === "";
	if (ms) {
		setTimeout(() => place.textContent === words && notice(""), ms);
	}
}
