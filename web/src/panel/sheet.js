/**
 * sheet.js opens and closes the panel on a phone, where it is a sheet over the map.
 */

/**
 * @param {HTMLElement} panel
 * @param {HTMLElement} handle
 * @returns {(open: boolean) => void} opens or closes it
 */
export function sheet(panel, handle) {
	/** @param {boolean} open */
	function set(open) {
		panel.dataset.open = String(open);
		handle.setAttribute("aria-expanded", String(open));
	}
	handle.addEventListener("click", () => set(panel.dataset.open !== "true"));
	set(false);
	return set;
}
