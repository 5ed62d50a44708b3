import { defineConfig } from 'vitest/config';

// What takes minutes, or is about time: run by `npm run test:soak` and by CI, one file after the other so that figures mean something.
export default defineConfig({
  test: {
    include: ['test/soak/**/*.test.ts'],
    testTimeout: 300_000,
    hookTimeout: 60_000,
    fileParallelism: false,
  },
});
