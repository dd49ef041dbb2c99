import type { Command } from 'commander';
import { characterSetFor } from '../character-set';
import type { CliContext } from '../cli-context';
import { predictFile } from '../predict/predict-file';
import { predictHeldOut } from '../predict/predict-held-out';
import { parseModelReference } from '../predict/model-reference';
import { predictSample } from '../predict/predict-sample';
import { UsageError } from '../usage-error';
import { addVerb } from '../verb';

interface PredictOptions {
  readonly sample?: string;
  readonly input?: string;
  readonly heldOut?: true;
}

const FILE_FORMS = `
FILE holds a request in TensorFlow Serving's form, {"instances": [row, …]} or {"inputs": {"name": …}}, or in the Open
Inference Protocol's, {"inputs": [{"name", "datatype", "shape", "data" or "contents"}]}. Outputs are printed as JSON.
NAME is a model's active version, NAME@N one of its versions, NAME@LABEL what a label means.`;

export function addPredictCommand(program: Command, context: CliContext): void {
  addVerb<PredictOptions>(program, context, {
    usage: 'predict <name>',
    summary: 'Ask a model: one picture of the digits example, a file, or the whole held-out half',
    group: 'Predictions:',
    examples: [
      'npx bms predict digits --sample 42',
      'npx bms predict digits@1 --held-out',
      'npx bms predict NAME --input request.json',
    ],
    configure: (command) =>
      command
        .option('--sample <n>', 'a picture of examples/digits, 0 to 1796: drawn with the answer beside it')
        .option('--input <file>', 'a JSON file; - reads standard input')
        .option('--held-out', 'all held-out pictures: prints the accuracy, and fails where it is not what was measured')
        .addHelpText('after', FILE_FORMS),
    run: async (session, [name = ''], options) => {
      const reference = parseModelReference(name);
      const { sample, input, heldOut } = options;
      const given = [sample, input, heldOut].filter((value) => value !== undefined);
      if (given.length !== 1) {
        throw new UsageError('one of --sample N, --input FILE and --held-out is needed: see "npx bms predict --help"');
      }
      if (sample !== undefined) return predictSample(session, reference, sample, characterSetFor(context.env));
      if (input !== undefined) return predictFile(session, reference, input);
      return predictHeldOut(session, reference);
    },
  });
}
