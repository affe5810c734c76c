import { answerParent } from '../remote.js';
import { Clients } from './clients.js';

answerParent(new Clients());
