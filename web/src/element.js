/**
 * element.js finds elements of the document and sets their text.
 */

/**
 * The element with an id.
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
 * Sets a text if it differs, which spares layout and screen readers.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
	if (element.textContent !== text) {
		element.textContent = text;
	}
}

/** Shows a text over the map. @param {string} text @param {number} [ms] default: until the next text */
export function showNotice(text, ms) {
	const line = element("notice", HTMLElement);
	setText(line, text);
	line.hidden = text === "";
	if (ms) {
		setTimeout(() => line.textContent === text && showNotice(""), ms);
	}
}
