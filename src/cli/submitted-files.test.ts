import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { TestLab } from './test-lab.ts';

const RUN = '[Service]\nExecStart=/bin/sleep infinity\n';
const FILES = {
  'comments.service': `# Keeps the door open.\n\n\n${RUN}; the end\n\n`,
  'dos.service': `; DOS\r\n\r\n${RUN.replaceAll('\n', '\r\n')}`,
  'mark.service': `\uFEFF${RUN}# Ä €\n`,
  'open-end.service': `${RUN.trimEnd()}`,
  'spaces.service': '[Service]\n  ExecStart = /bin/sleep \\\n# Why:\n  infinity  \n',
  'plain.service': RUN,
};

let lab: TestLab;
before(async () => {
  lab = await TestLab.start(1);
});
after(() => lab?.close());

test('cat prints the file as it was submitted, byte for byte', async () => {
  for (const [name, text] of Object.entries(FILES)) {
    lab.write(name, text);
    await lab.ok(`${name === 'dos.service' ? 'start' : 'submit'} ~/${name}`);
    assert.equal(await lab.ok(`cat ${name}`), text, name);
  }
});

test('the machine runs the options alone', async () => {
  const folder = lab.env['FLOTILLA_LAB']!;
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((file) => file.isFile());
  const named = files.filter(({ name }) => name === 'dos.service');
  // The supervisor's JSON record of the unit stands beside it.
  const texts = named.map((file) => readFileSync(join(file.parentPath, file.name), 'utf8'));
  assert.deepEqual(
    texts.filter((text) => !text.startsWith('{')),
    [RUN],
  );
});

test('files that differ in comments alone are the same unit, whose file stays the first one', async () => {
  const path = lab.write('comments.service', `# Edited.\n${RUN}`);
  assert.equal(await lab.ok('submit ~/comments.service'), '');
  const same = 'Found same Unit(comments.service) in Registry, nothing to do\n';
  assert.equal(await lab.ok('submit --replace ~/comments.service'), same);
  assert.equal(await lab.ok('cat comments'), FILES['comments.service']);
  await lab.ok('destroy comments');
  await lab.ok('submit ~/comments.service');
  assert.equal(await lab.ok('cat comments'), readFileSync(path, 'utf8'));
});

test("instances have their template's file, also when only the cluster has it", async () => {
  const text = `# One of many.\n\n${RUN}`;
  lab.write('many@.service', text);
  await lab.ok('submit ~/many@.service');
  await lab.ok('submit many@1');
  assert.equal(await lab.ok('cat many@1'), text);
  await lab.ok('start many@2');
  assert.equal(await lab.ok('cat many@2'), text);
  const edited = text.replace('many', 'few').replace('infinity', '1000');
  lab.write('many@.service', edited);
  await lab.run('start --replace ~/many@2.service');
  for (const name of ['many@.service', 'many@2.service']) assert.equal(await lab.ok(`cat ${name}`), edited);
});
