'use strict';
// Closes a jest run: says loudly what was skipped, and under CI=true fails for a skip that .ci/may-skip does not name.
// A line of .ci/may-skip is "full name of the test: reason"; "#" starts a comment.
const fs = require('node:fs');
const path = require('node:path');

class SkipReporter {
  onRunComplete(_contexts, results) {
    const skipped = results.testResults
      .flatMap((file) => file.testResults)
      .filter((test) => test.status === 'pending' || test.status === 'todo' || test.status === 'skipped')
      .map((test) => test.fullName);
    for (const name of skipped) console.log(`SKIPPED: ${name}`);
    console.log(`${results.numPassedTests} passed, ${results.numFailedTests} failed, ${skipped.length} skipped`);
    if (process.env.CI !== 'true') return;
    const allowed = fs
      .readFileSync(path.join(__dirname, '..', '.ci', 'may-skip'), 'utf8')
      .split('\n')
      .filter((line) => line.trim() !== '' && !line.startsWith('#'));
    const refused = skipped.filter((name) => !allowed.some((line) => line.startsWith(`${name}: `)));
    if (refused.length > 0) this.error = new Error(`.ci/may-skip does not allow to skip: ${refused.join('; ')}`);
  }

  getLastError() {
    return this.error;
  }
}

module.exports = SkipReporter;
