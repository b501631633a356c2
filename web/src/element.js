/**
 * element.js finds and writes what is in the document.
 */

/**
 * The element of an id.
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function element(id, type) {
	const found = document.getElementById(id);
	if (!(found instanceof type)) {
		throw new Error(`the page has no ${id}`);
	}
	return found;
}

/**
 * Writes only what is new, so that screen readers and layout rest.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
	if (element.textContent !== text) {
		element.textContent = text;
	}
}

/** Words over the map. @param {string} text @param {number} [ms] how long; default: until others come */
export function showNotice(text, ms) {
	const line = element("notice", HTMLElement);
	setText(line, text);
	line.hidden = text === "";
	if (ms) {
		setTimeout(() => line.textContent === text && showNotice(""), ms);
	}
}
