/**
 * contrast.mjs computes how well two colours can be told apart.
 */

/** WCAG 2's contrast ratio. @param {string} a @param {string} b */
export function contrast(a, b) {
	const [l, d] = [a, b]
		.map((hex) =>
			[1, 3, 5]
				.map((i) => parseInt(hex.slice(i, i + 2), 16) / 255)
				.map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
				.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0),
		)
		.sort((x, y) => y - x);
	return (l + 0.05) / (d + 0.05);
}
