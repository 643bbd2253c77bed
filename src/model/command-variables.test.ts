import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expandVariables } from './command-variables.ts';

const VARIABLES = { SERVICE_IP: '10.0.0.1', SERVICE_PORT: '80' };

const LINES = `
nc -z $SERVICE_IP $SERVICE_PORT → nc -z 10.0.0.1 80
http://\${SERVICE_IP}:\${SERVICE_PORT}/ → http://10.0.0.1:80/
$SERVICE_IP6 $OTHER \${OTHER} $ $$ \${SERVICE_IP → $SERVICE_IP6 $OTHER \${OTHER} $ $$ \${SERVICE_IP
$constructor → $constructor`;
for (const line of LINES.trim().split('\n'))
  test(line, () => {
    const [text, expected] = line.split(' → ');
    assert.equal(expandVariables(text!, VARIABLES), expected);
  });
