import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

// Threads and processes that a test starts compile a hundred modules each: they find them compiled.
process.env['NODE_COMPILE_CACHE'] ??= join(tmpdir(), `octet-compiled-${userInfo().uid}`);
