import { ContractRegistry } from './contract-registry';
import { openApiDocument } from './open-api';
import { MANAGEMENT_METHODS } from '../management-method';

interface Document {
  readonly paths: Readonly<Record<string, { readonly post: Readonly<Record<string, unknown>> }>>;
  readonly components: { readonly schemas: Readonly<Record<string, Readonly<Record<string, unknown>>>> };
}

describe('openApiDocument', () => {
  const document = openApiDocument(new ContractRegistry()) as unknown as Document;

  it('describes every method, with the comment of its definition', () => {
    expect(Object.keys(document.paths).sort()).toEqual(
      MANAGEMENT_METHODS.map(({ serviceName, name }) => `/api/v1/${serviceName}/${name}`).sort(),
    );
    const activate = document.paths['/api/v1/ModelService/ActivateVersion']?.post;
    expect(activate?.['description']).toMatch(/^Makes a version the one that unqualified requests reach/);
    expect(activate?.['security']).toEqual([{ serviceToken: [] }]);
  });

  it('refers to nothing that it does not define', () => {
    const references = [...JSON.stringify(document).matchAll(/"#\/components\/schemas\/([^"]+)"/g)].map(
      ([, name]) => name,
    );
    expect(references.length).toBeGreaterThan(30);
    expect(references.filter((name) => !Object.hasOwn(document.components.schemas, name ?? ''))).toEqual([]);
  });

  it('gives fields the names, types and comments that the JSON has', () => {
    expect(document.components.schemas['bms.models.v1.Model']).toMatchObject({
      type: 'object',
      properties: {
        activeVersion: { type: 'string', format: 'int64', description: '0: none' },
        labels: { type: 'object', additionalProperties: { type: 'string', format: 'int64' } },
        activations: { type: 'array', items: { $ref: '#/components/schemas/bms.models.v1.Activation' } },
      },
    });
    expect(document.components.schemas['bms.models.v1.VersionState']).toMatchObject({
      enum: expect.arrayContaining(['VERSION_STATE_PUBLISHED']) as unknown,
    });
  });
});
