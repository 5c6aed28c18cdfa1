/* The map on the page of one place. */
import { draw, failed } from "./placemap.js";

draw().catch(failed);
