// The pages in the order of the menu. role: the least that sees it. load(rest) asks, view(data, on) shows, every: milliseconds until it looks anew.

import { audit } from "./audit.js";
import { clients } from "./clients.js";
import { conversation } from "./conversation.js";
import { dead } from "./dead.js";
import { documents } from "./documents.js";
import { overview } from "./overview.js";
import { servers } from "./servers.js";
import { switches } from "./switches.js";
import { usage } from "./usage.js";

export const pages = [overview, servers, clients, switches, usage, dead, documents, conversation, audit];
