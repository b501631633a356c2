import assert from "node:assert/strict";
import { test } from "node:test";
import { difference, idParts, idText, looksOf } from "../src/id.js";

test("hidden characters of an id are named, and all others are as they are", () => {
	for (const [id, text] of [
		["VAN-7", "VAN-7"],
		["VAN 7", "VAN 7"],
		["VAN\u202E7", "VAN‹U+202E›7"],
		["\u200BVAN\u00AD\uFEFF", "‹U+200B›VAN‹U+00AD›‹U+FEFF›"],
		["VAN\u00A07\u3000", "VAN‹U+00A0›7‹U+3000›"],
		["\u{E0041}", "‹U+E0041›"],
		["\u2066\u2069\u2028\u115F\u3164\u180E", "‹U+2066›‹U+2069›‹U+2028›‹U+115F›‹U+3164›‹U+180E›"],
		["машина שלום العربية 卡车", "машина שלום العربية 卡车"],
		["🚚🏳️‍🌈👩🏽‍🚒❤️", "🚚🏳️‍🌈👩🏽‍🚒❤️"],
		["A\u200DB\uFE0F", "A‹U+200D›B‹U+FE0F›"],
		["", ""],
	]) {
		assert.equal(idText(id), text, JSON.stringify(id));
		assert.equal(idParts(id).length % 2, 1);
	}
});

test("ids that look alike have the same looks, and others have not", () => {
	for (const [a, b] of [
		["VAN-1", "VАN-1"], // Cyrillic А
		["BETA", "ΒΕΤΑ"], // all Greek
		["O1", "0l"],
		["VAN-1", "VAN\u200B-1"],
		["VAN 1", "VAN\u00A01"],
		["é", "e\u0301"],
		["VAN", "ＶＡＮ"], // full width
	]) {
		assert.equal(looksOf(a), looksOf(b), `${a} ${b}`);
	}
	for (const [a, b] of [
		["VAN-1", "VAN-2"],
		["VAN-1", "van-1"],
		["VAN-1", "VAN 1"],
		["машина", "mawuha"],
	]) {
		assert.notEqual(looksOf(a), looksOf(b), `${a} ${b}`);
	}
});

test("two ids that look alike are told apart by their first difference", () => {
	assert.equal(difference("VАN-1", "VAN-1"), "А Cyrillic");
	assert.equal(difference("VAN-1", "VАN-1"), "A Latin");
	assert.equal(difference("ΒUS", "ВUS"), "Β Greek");
	assert.equal(difference("VAN-0", "VAN-O"), "0 digit");
	assert.equal(difference("VAN-l", "VAN-I"), "U+006C");
	assert.equal(difference("é", "e\u0301"), "U+00E9");
	assert.equal(difference("VAN\u200B-1", "VAN-1"), "", "the character is named in its place");
	assert.equal(difference("VAN-1", "VAN\u200B-1"), "");
});
