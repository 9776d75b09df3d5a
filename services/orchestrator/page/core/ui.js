// What every view is written with: markup as tagged templates, and hooks. Texts in templates become text nodes, never
// markup.

import { h } from "../vendor/preact.js";
import htm from "../vendor/htm.js";

export { Fragment, createContext, h, render } from "../vendor/preact.js";
export { useCallback, useContext, useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "../vendor/hooks.js";
export const html = htm.bind(h);
